"""How soon changes of a study are seen, and how often one that is not there, beside a method that knows the rates.

    python -m benchmarks enrollment_detection [--seed N] [--trials N] [--years N] [--calibrate]

Every figure stands with its 90 % interval: of false alarms by the Poisson law, of delays by order statistics. The
comparator is a CUSUM that knows every site's rate, when it opens and that the rate will halve; its limit is set so that
it gives one false alarm in 5 country-years. Truth: `benchmarks/accuracy/enrollment_changes.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom, chi2

from benchmarks.accuracy.enrollment_changes import Truth, by_day, draw, known
from benchmarks.accuracy.enrollment_limits import calibrate
from benchmarks.accuracy.enrollment_steps import sites, steps
from benchmarks.accuracy.enrollment_young import bounds
from benchmarks.report import Bar, Report, add_out
from twins.enrollment.detection import Findings, watch
from twins.enrollment.detection.settings import YEAR
from twins.enrollment.study import MONTH, Floats

AT_ONCE = 20  # countries in one study
OPENING = 240.0  # days over which sites open, in the half of countries where they do
PATIENCE = 365  # days after a change, beyond which it was not seen
QUIET = 90  # days without a flag after which the next is another alarm
WATCHED = 4 * YEAR  # of a country in which nothing changes
BARS = {10.0: (2.5, 5.0), 20.0: (1.5, 3.0)}  # subjects a month: median and 90 % of the delay, in months
PASTS = (3, 6, 12, 24)  # months of past at the change


def main(arguments: Sequence[str]) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="enrollment_detection", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trials", type=int, default=100, help="changes in each cell")
    parser.add_argument("--years", type=int, default=160, help="country-years without a change, at each rate")
    parser.add_argument("--calibrate", action="store_true", help="tell instead which limits the false alarms ask for")
    add_out(parser)
    options = parser.parse_args(arguments)
    if options.calibrate:
        calibrate(options.seed)
        return 0
    given = {"seed": options.seed, "trials": options.trials, "years": options.years}
    report = Report("enrollment_detection", "Changes of a study's enrollment: false alarms and delays.", given)
    for monthly in BARS:
        false_alarms(report, options.seed, monthly, options.years)
    for monthly in BARS:
        delays(report, options.seed, monthly, options.trials)
        bounds(report, options.seed, monthly)
    steps(report, options.seed, options.trials, options.years // 4)
    sites(report, options.seed)
    speed(report, options.seed)
    report.write(options.out)
    return 0


def false_alarms(report: Report, seed: int, monthly: float, years: int) -> None:
    """Watch countries in which nothing changes, from their first to their fourth year."""
    rng = np.random.default_rng((seed, 1, int(monthly)))
    alarms: list[tuple[float, str]] = []
    runs = max(1, round(years * YEAR / AT_ONCE / WATCHED))
    for _ in range(runs):
        alarms += _alarms(draw(rng, AT_ONCE, monthly, WATCHED, WATCHED, 1.0, OPENING))
    for name, low, high in (("3 to 12", 91.0, YEAR), ("12 to 48", YEAR, WATCHED), ("0 to 48", 0.0, WATCHED)):
        some = [direction for day, direction in alarms if low <= day < high]
        watched = runs * AT_ONCE * (high - low) / YEAR
        report.add(
            "false alarms",
            a_month=monthly,
            months_of_past=name,
            country_years=round(watched),
            falls=some.count("fall"),
            rises=some.count("rise"),
            a_year=round(len(some) / watched, 3),
            interval=counted(len(some), watched),
        )
    report.bars.append(
        Bar(f"false alarms, {monthly:.0f} a month", 0.2, len(some) / watched, "a country-year", most=True)
    )


def counted(hits: int, of: float) -> str:
    """The 90 % interval of a rate of so many hits (Garwood 1936, Biometrika 28:437)."""
    low = chi2.ppf(0.05, 2 * hits) / 2 if hits else 0.0
    return f"{low / of:.3f} to {chi2.ppf(0.95, 2 * hits + 2) / 2 / of:.3f}"


def _alarms(truth: Truth) -> list[tuple[float, str]]:
    """Days and directions of all flags of a country that come after `QUIET` days without."""
    alarms, last = [], dict[tuple[str, str], float]()
    for day in np.arange(30.0, WATCHED, 2.0):
        for change in watch(known(truth, day)).changes:
            if change.country is not None:
                who = (change.country, change.direction)
                if day - last.get(who, -np.inf) > QUIET:
                    alarms.append((float(day), change.direction))
                last[who] = day
    return alarms


def delays(report: Report, seed: int, monthly: float, trials: int) -> None:
    """Halve countries, and count the months until a fall is flagged."""
    rng = np.random.default_rng((seed, 2, int(monthly)))
    limit = cusum_limit(rng, monthly / MONTH)
    for past in PASTS:
        ours, theirs, started, rises, change = [], [], [], 0, float(round(past * MONTH))
        for _ in range(max(1, round(trials / AT_ONCE))):
            truth = draw(rng, AT_ONCE, monthly, change + PATIENCE, change, 0.5, min(OPENING, change))
            some, wrong = first_flags(truth, change)
            ours.append(some / MONTH)
            rises += wrong
            theirs.append(cusum_delays(truth, int(change), limit) / MONTH)
            started.append(np.bincount(truth.country, truth.opened) == 0.0)
        mine, best, at_once = np.concatenate(ours), np.concatenate(theirs), np.concatenate(started)
        for name, which in (("on day 0", at_once), ("over months", ~at_once)):
            _tell(report, monthly, past, name, mine[which & ~np.isnan(mine)], best[which])
        report.add("halvings told as rises", a_month=monthly, months_of_past=past, told=rises, of=len(mine))


def _tell(report: Report, monthly: float, past: int, opened: str, mine: Floats, best: Floats) -> None:
    ratio = _mean(mine) / _mean(best)
    report.add(
        "delay of a halving, months",
        a_month=monthly,
        months_of_past=past,
        sites_open=opened,
        n=len(mine),
        median=at(mine, 0.5),
        p90=at(mine, 0.9),
        knows_median=at(best, 0.5),
        knows_p90=at(best, 0.9),
        ratio_median=round(float(np.median(mine) / np.median(best)), 2),
        ratio_mean=round(ratio, 2),
    )
    if past < 12:
        return
    what = f"{monthly:.0f} a month halves after {past} months, sites open {opened}"
    for share, bar in zip((0.5, 0.9), BARS[monthly], strict=True):
        report.bars.append(Bar(f"{what}: {100 * share:.0f} %", bar, quantile(mine, share), "months", most=True))
    report.bars.append(Bar(f"{what}: mean delay", 1.3, ratio, "x of the CUSUM", most=True))


def first_flags(truth: Truth, change: float) -> tuple[Floats, int]:
    """Days to the first flag of a fall by country, inf where none, nan where it stood already; and rises flagged."""
    delay = np.full(AT_ONCE, np.inf)
    delay[_flagged(watch(known(truth, change)), "fall")] = np.nan
    rising: set[int] = set()
    for day in np.arange(change + 1.0, change + PATIENCE):
        found = watch(known(truth, day))
        now = [each for each in _flagged(found, "fall") if np.isinf(delay[each])]
        delay[now] = day - change
        rising |= set(_flagged(found, "rise"))
        if not np.isinf(delay).any():
            break
    return delay, len(rising)


def _flagged(found: Findings, direction: str) -> list[int]:
    return [int(one.country) for one in found.changes if one.country is not None and one.direction == direction]


def cusum_limit(rng: np.random.Generator, rate: float, years: float = 5.0) -> float:
    """Find the limit at which a CUSUM that knows a rate and its half gives one false alarm in so many years."""
    counts = rng.poisson(rate, (400, int(15 * YEAR)))
    low, high = 1.0, 8.0
    for _ in range(12):
        middle = (low + high) / 2
        total, alarms = np.zeros(len(counts)), 0
        for column in counts.T:
            total = np.maximum(0.0, total + rate / 2 - np.log(2.0) * column)
            alarms += int((total > middle).sum())
            total[total > middle] = 0.0
        low, high = (middle, high) if counts.size / YEAR / max(alarms, 1) < years else (low, middle)
    return (low + high) / 2


def cusum_delays(truth: Truth, change: int, limit: float) -> Floats:
    """Days from the change to the alarm of a CUSUM that knows all sites' rates, by country, inf where there is none."""
    counts, expected = by_day(truth, change + PATIENCE)
    total, delay = np.zeros(len(counts)), np.full(len(counts), np.inf)
    for day in range(change + PATIENCE):
        total = np.maximum(0.0, total + expected[:, day] / 2 - np.log(2.0) * counts[:, day])
        hit = total > limit
        if day >= change:
            delay[hit & np.isinf(delay)] = day + 1.0 - change
        total[hit] = 0.0
    return delay


def _mean(months: Floats) -> float:
    return float(np.minimum(months, PATIENCE / MONTH).mean())


def quantile(values: Floats, share: float) -> float:
    """A quantile that is one of the values: some of them may be inf."""
    return float(np.quantile(values, share, method="higher"))


def at(values: Floats, share: float) -> str:
    """A quantile and its 90 % interval, by order statistics."""
    ordered, n = np.sort(values), len(values)
    low, high = (int(np.clip(binom.ppf(p, n, share), 0, n - 1)) for p in (0.05, 0.95))
    return f"{quantile(values, share):.2f} ({ordered[low]:.2f} to {ordered[high]:.2f})"


def speed(report: Report, seed: int) -> None:
    """Time a watch of 20 countries of 10 sites over two years, with no step told."""
    rng = np.random.default_rng((seed, 5))
    truth = draw(rng, 20, 10.0, 730.0, 730.0, 1.0, OPENING)
    study, taken = known(truth, 730.0), []
    for _ in range(100):
        begun = time.perf_counter()
        watch(study)
        taken.append((time.perf_counter() - begun) * 1e3)
    median, p99 = np.quantile(taken, (0.5, 0.99))
    report.add("one watch, ms", sites=len(study.sites), subjects=len(study.subjects), median=median, p99=p99)
    report.bars.append(Bar("one watch, median", 3.0, float(median), "ms", most=True))
