"""Continuous mode: one fixed PCA of rows, T2 and SPE of each row by itself.

Source
------
Kresta, MacGregor and Marlin 1991, Can. J. Chem. Eng. 69:35; Jackson 1991, A User's Guide to Principal
Components, ch. 2.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import replace

from schemas.errors import SettingsError, ShapeError
from twins.monitoring.contributions import spe_contributions, t2_contributions
from twins.monitoring.limits import jackson_mudholkar, t2_limit
from twins.monitoring.missing import Method, check_known, prepare, score_operator
from twins.monitoring.pca import Bools, Floats, Integers, Pca, Scaling, autoscale, principal_components
from twins.monitoring.scores import Scores

Limits = Literal["theoretical", "empirical"]
Count = Annotated[int, Meta(ge=1)]


class ContinuousModel(Struct, frozen=True, tag="continuous", tag_field="mode", forbid_unknown_fields=True):
    """A fitted model of rows: p tags, r components in all, the first `components` of them the model."""

    tags: tuple[str, ...]
    observations: Count
    components: Count
    significance: float
    limits: Limits
    missing: Method
    mean: Floats  # (p,)
    sd: Floats  # (p,)
    loadings: Floats  # (p, r)
    variances: Floats  # (r,)
    r2: Floats  # (r,)
    t2_limit: float
    spe_limit: float
    t2_limit_theoretical: float
    spe_limit_theoretical: float
    t2_limit_empirical: float
    spe_limit_empirical: float

    def check(self) -> None:
        """Hold the arrays against each other. Raises ShapeError."""
        p, r = len(self.tags), len(self.variances)
        shapes = (self.mean.shape, self.sd.shape, self.loadings.shape, self.r2.shape)
        if shapes != ((p,), (p,), (p, r), (r,)) or self.components >= r:
            raise ShapeError(f"expected arrays for {p} tags and {r} components, received shapes {shapes}")


def fit_continuous(
    values: Floats, tags: tuple[str, ...], *, components: int | None = None, variance: float | None = None,
    significance: float = 0.99, limits: Limits = "theoretical", missing: Method = "tsr",
    calibrate: Floats | None = None,
) -> ContinuousModel:  # fmt: skip
    """Fit a model of a continuous process.

    Parameters
    ----------
    values : array, shape (n, p)
        Rows of normal operation; NaN where missing.
    tags : tuple of str, length p
    components : int, optional
        How many to keep; without it, the fewest that explain `variance` (0.9) of the total sum of squares.
    significance : float
        Share of normal rows within each limit.
    limits : "theoretical" or "empirical"
        Which of the two the model uses; it holds both.
    missing : "tsr" or "pmp"
        How scores are estimated where values are missing.
    calibrate : array, shape (m, p), optional
        Other normal rows, from which the empirical limits are taken instead of the training rows.

    Raises
    ------
    SettingsError
        Constant tags, too few rows, too little known.
    """
    if values.ndim != 2 or values.shape[1] != len(tags):
        raise ShapeError(f"expected values of shape (n, {len(tags)}), received {values.shape}")
    if len(values) < 4:
        raise SettingsError(f"expected 4 rows of normal operation or more, received {len(values)}; give more runs")
    check_known(values, list(tags))
    training = prepare(values, components, variance)
    refuse_constant(tags, training.scaling.sd)
    pca, chosen = principal_components(training.z), training.components
    theory = (
        t2_limit(chosen, len(values), significance),
        jackson_mudholkar(pca.variances[chosen:], significance),
    )
    model = ContinuousModel(
        tags, len(values), chosen, significance, limits, missing, training.scaling.mean, training.scaling.sd,
        pca.loadings, pca.variances, pca.r2, *theory, *theory, *theory,
    )  # fmt: skip
    normal = score_rows(model, values if calibrate is None else calibrate)
    seen = ~np.isnan(normal.t2)
    if not seen.any():
        raise SettingsError("expected rows to calibrate with that have known values, received none; check --calibrate")
    found = (
        float(np.quantile(normal.t2[seen], significance)),
        float(np.quantile(normal.spe[seen], significance)),
    )
    used = found if limits == "empirical" else theory
    return replace(
        model, t2_limit=used[0], spe_limit=used[1], t2_limit_empirical=found[0], spe_limit_empirical=found[1]
    )


def refuse_constant(tags: tuple[str, ...], sd: Floats) -> None:
    """Refuse tags that never vary.

    Raises
    ------
    SettingsError
        Naming up to five of them.
    """
    constant = [tag for tag, one in zip(tags, sd, strict=True) if one == 0]
    if constant:
        raise SettingsError(
            f"expected tags that vary in training, received the constant {', '.join(constant[:5])}"
            f"{' and others' if len(constant) > 5 else ''}; leave them out with --tags"
        )


def score_rows(model: ContinuousModel, values: Floats) -> Scores:
    """Score rows, or units at one moment. Pure, and each row by itself, bit for bit.

    Parameters
    ----------
    model : ContinuousModel
    values : array, shape (n, p)
        NaN where missing.

    Returns
    -------
    Scores
        A missing value has no part in SPE: it can raise no alarm. A row without any known value is NaN.
    """
    p = len(model.tags)
    if values.ndim != 2 or values.shape[1] != p:
        raise ShapeError(f"expected values of shape (n, {p}), received {values.shape}")
    n, a = len(values), model.components
    z = autoscale(values, Scaling(model.mean, model.sd))
    known = ~np.isnan(z)
    z = np.where(known, z, 0.0)
    found = Scores(
        np.full(n, np.nan), np.full(n, np.nan), np.full(n, model.t2_limit), np.full(n, model.spe_limit),
        np.zeros((n, p)), np.zeros((n, p)),
    )  # fmt: skip
    pca = Pca(model.loadings, model.variances)
    for pattern in np.unique(known, axis=0):
        rows = np.flatnonzero(np.all(known == pattern, axis=1))
        if pattern.any():
            _score(found, rows, z[rows], pattern, score_operator(pca, a, pattern, model.missing), pca)
    return found


def _score(found: Scores, rows: Integers, z: Floats, pattern: Bools, operator: Floats, pca: Pca) -> None:
    """Score the rows of one pattern of known tags. Sums run over tags and components, never across rows."""
    a = len(operator)
    scores = np.zeros((len(z), a))
    for tag in range(z.shape[1]):
        scores += z[:, tag, None] * operator[:, tag]
    weighted = scores / pca.variances[:a]
    expected = np.zeros_like(z)
    t2 = np.zeros(len(z))
    for component in range(a):
        expected += scores[:, component, None] * pca.loadings[:, component]
        t2 += scores[:, component] * weighted[:, component]
    parts = spe_contributions(np.where(pattern, z - expected, 0.0))
    spe = np.zeros(len(z))
    for tag in range(z.shape[1]):
        spe += parts[:, tag]
    found.t2[rows], found.spe[rows] = t2, spe
    found.t2_contributions[rows] = t2_contributions(z, operator, weighted)
    found.spe_contributions[rows] = parts
