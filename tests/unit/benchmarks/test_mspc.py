"""T2, SPE and their limits against formulas written out, on data of Tennessee Eastman's shape; reading its files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks.mspc import FAULT_ROW, detected, read_dat, read_runs, write_runs
from schemas.errors import UsageError
from streams.golden import fit_file
from twins.monitoring import Options
from twins.monitoring.continuous import fit_continuous, score_rows

Floats = NDArray[np.float64]
TAGS = tuple(f"x{i}" for i in range(1, 53))
COMPONENTS = 11


def plant(seed: int, rows: int, memory: float, shift: float = 0.0) -> Floats:
    """52 tags of 11 hidden directions that keep `memory` of themselves a row, and white noise; a fault on one tag."""
    mix = np.random.default_rng(1).standard_normal((COMPONENTS, 52))
    rng = np.random.default_rng(seed)
    hidden = np.zeros((rows, COMPONENTS))
    fresh = np.sqrt(1.0 - memory * memory) * rng.standard_normal((rows, COMPONENTS))
    for row in range(rows):
        hidden[row] = memory * hidden[row - 1] + fresh[row] if row else rng.standard_normal(COMPONENTS)
    found = hidden @ mix + rng.standard_normal((rows, 52))
    found[FAULT_ROW:, 7] += shift
    return found


def by_hand(training: Floats, rows: Floats, share: float) -> tuple[Floats, Floats, float, float]:
    """T2, SPE and the two theoretical limits, from eigenvectors of the correlation matrix and the papers' formulas."""
    n, a = len(training), COMPONENTS
    mean, sd = training.mean(axis=0), training.std(axis=0, ddof=1)
    values, vectors = np.linalg.eigh(np.corrcoef(training.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    z = (rows - mean) / sd
    scores = z @ vectors[:, :a]
    t2 = np.einsum("na,a,na->n", scores, 1.0 / values[:a], scores)
    spe = np.sum((z - scores @ vectors[:, :a].T) ** 2, axis=1)
    t2_limit = a * (n - 1) * (n + 1) / (n * (n - a)) * stats.f.ppf(share, a, n - a)
    th1, th2, th3 = (np.sum(values[a:] ** power) for power in (1, 2, 3))
    h0 = 1.0 - 2.0 * th1 * th3 / (3.0 * th2**2)
    deviate = stats.norm.ppf(share)
    spe_limit = th1 * (deviate * np.sqrt(2 * th2 * h0**2) / th1 + 1 + th2 * h0 * (h0 - 1) / th1**2) ** (1 / h0)
    return t2, spe, float(t2_limit), float(spe_limit)


@pytest.mark.parametrize("limits", ["theoretical", "empirical"])
def test_statistics_and_limits_are_those_of_the_papers(limits: Literal["theoretical", "empirical"]) -> None:
    training, normal, faulty = plant(2, 500, 0.6), plant(3, 960, 0.6), plant(4, 960, 0.6, shift=12.0)
    model = fit_continuous(
        training, TAGS, components=COMPONENTS, limits=limits, calibrate=normal if limits == "empirical" else None
    )
    t2, spe, t2_limit, spe_limit = by_hand(training, faulty, 0.99)
    if limits == "empirical":
        t2_limit, spe_limit = (float(np.quantile(one, 0.99)) for one in by_hand(training, normal, 0.99)[:2])
    found = score_rows(model, faulty)
    np.testing.assert_allclose(found.t2, t2, rtol=1e-9)
    np.testing.assert_allclose(found.spe, spe, rtol=1e-9)
    assert (model.t2_limit, model.spe_limit) == pytest.approx((t2_limit, spe_limit), rel=1e-9)
    beyond = (found.t2_beyond | found.spe_beyond).tolist()
    assert detected(beyond) == 100.0 * np.mean(((t2 > t2_limit) | (spe > spe_limit))[FAULT_ROW:])
    assert detected(beyond) > 95.0


def test_limits_hold_the_share_that_was_asked_for_where_rows_are_independent() -> None:
    """1 % of 20,000 normal rows: a model of 2,000 rows, so 0.6 to 1.5 % with what is not known of it."""
    model = fit_continuous(plant(5, 2000, 0.0), TAGS, components=COMPONENTS)
    found = score_rows(model, plant(6, 20_000, 0.0))
    assert 0.006 < found.t2_beyond.mean() < 0.015
    assert 0.006 < found.spe_beyond.mean() < 0.015


def test_a_transposed_file_is_turned_and_another_shape_refused(tmp_path: Path) -> None:
    values = plant(7, 60, 0.6)
    for name, one in (("d00.dat", values.T), ("d00_te.dat", values), ("bad.dat", values[:, :50])):
        np.savetxt(tmp_path / name, one, fmt="%16.7e", delimiter="")
    np.testing.assert_allclose(read_dat(tmp_path / "d00.dat"), values, rtol=1e-6)
    np.testing.assert_array_equal(read_dat(tmp_path / "d00.dat"), read_dat(tmp_path / "d00_te.dat"))
    with pytest.raises(ValueError, match=r"expected rows of 52 numbers, received shape \(60, 50\)"):
        read_dat(tmp_path / "bad.dat")


def test_a_file_as_it_comes_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """No header, columns apart by runs of blanks: the command says so, and takes the table that the benchmark makes."""
    values = plant(8, 80, 0.6)
    raw = tmp_path / "d00_te.dat"
    np.savetxt(raw, values, fmt="%16.7e", delimiter="")
    options = Options(mode="continuous", components=COMPONENTS)
    with pytest.raises(UsageError, match="give a table's mapping with --map"):
        fit_file(raw, None, (), (), options, None)
    mapping = write_runs(tmp_path / "made.csv", {"normal": read_dat(raw)}, TAGS)
    blanks = tmp_path / "blanks.map.yaml"
    blanks.write_text(mapping.read_text() + 'table: {delimiter: " "}\n')
    with pytest.raises(UsageError, match="one line of names and one mark between two columns"):
        fit_file(raw, blanks, (), (), options, None)
    golden, _ = fit_file(tmp_path / "made.csv", mapping, (), (), options, None)
    assert golden.model.tags == TAGS
    runs, tags = read_runs(tmp_path / "made.csv")
    assert tags == list(TAGS)
    np.testing.assert_allclose(runs["normal"], values, rtol=1e-6)
