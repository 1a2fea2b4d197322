"""Growth filter, parameters without a published source: each says why its value was assumed.

They are deliberately not tied to one organism. A run that knows better says so, per batch
(`batch_started.parameters`) or for all (`parameters` in the configuration).
"""

from __future__ import annotations

from twins.bioreactor.parameters.parameter import Parameter

GROWTH: tuple[Parameter, ...] = (
    Parameter("growth_rate_mean", 0.05, "/h", -1.0, 5.0, "assumed: between mammalian (0.03) and fed-batch yeast (0.1)"),
    Parameter("growth_rate_reversion", 0.02, "/h", 0.0, 10.0, "assumed: the rate forgets its past in about two days"),
    Parameter("growth_rate_sd", 0.2, "/h", 1e-6, 5.0, "assumed: wide enough for anything from cells to E. coli"),
    Parameter("growth_rate_noise", 0.02, "/h/h^0.5", 1e-9, 5.0, "assumed: the rate may move by 0.02 /h in an hour"),
    Parameter("biomass_noise", 0.005, "1/h^0.5", 0.0, 1.0, "assumed: half a percent an hour beyond growth"),
    Parameter("gain_mean", 1.0, "1", 1e-6, 1e6, "assumed: the signal is calibrated until an assay says otherwise"),
    Parameter("gain_sd", 0.02, "1", 1e-9, 2.0, "assumed: calibration good to 2 %, as relative standard deviation"),
    Parameter("gain_noise", 0.001, "1/h^0.5", 0.0, 1.0, "assumed: a probe drifts by 0.5 % in a day"),
    Parameter("signal_offset", 0.0, "of the signal", -1e4, 1e4, "assumed: the blank was subtracted"),
    Parameter("signal_relative_sd", 0.02, "1", 0.0, 1.0, "assumed: 2 % noise of one reading"),
    Parameter("signal_absolute_sd", 0.01, "of the signal", 1e-6, 1e4, "assumed: resolution of the signal"),
    Parameter("readings_effective", 10.0, "1", 1.0, 1e6, "assumed: a minute's readings are worth ten independent ones"),
    Parameter("assay_relative_sd", 0.05, "1", 0.0, 1.0, "assumed: 5 % of a dry weight or a cell count"),
    Parameter("assay_absolute_sd", 0.01, "of biomass", 1e-6, 1e4, "assumed: resolution of the assay"),
    Parameter("initial_volume", 1.0, "L", 1e-9, 1e6, "assumed: used where batch_started says no volume"),
    Parameter("planned_feed_rate", 0.0, "L/h", 0.0, 1e4, "assumed: forecasts count on no further feed unless told"),
)
INDEX: dict[str, int] = {parameter.name: place for place, parameter in enumerate(GROWTH)}
DEFAULTS: tuple[float, ...] = tuple(parameter.value for parameter in GROWTH)

(
    RATE_MEAN, RATE_REVERSION, RATE_SD, RATE_NOISE, BIOMASS_NOISE, GAIN_MEAN, GAIN_SD, GAIN_NOISE,
    SIGNAL_OFFSET, SIGNAL_RELATIVE, SIGNAL_ABSOLUTE, READINGS_EFFECTIVE, ASSAY_RELATIVE, ASSAY_ABSOLUTE,
    INITIAL_VOLUME, FEED_RATE,
) = range(len(GROWTH))  # fmt: skip
