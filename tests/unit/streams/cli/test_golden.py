"""`golden fit` and `golden score` from the outside: files in, a model and lines out, errors with what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from schemas.errors import UsageError
from streams.cli import app
from tests.tiers import REAL_DATA
from tests.unit.twins.monitoring.made import TAGS, batches, rows

ROOT = Path(__file__).parents[4]
PLATE = REAL_DATA / "pseudobatch" / "biolector_yeast_fedbatch.csv"
UNITS = {"biomass": "g/L", "dissolved_oxygen": "%", "temperature": "Cel", "ph": "[pH]"}


def golden(*words: object) -> Result:
    result = CliRunner().invoke(app, ["golden", *map(str, words)], catch_exceptions=True)
    if isinstance(result.exception, UsageError):
        raise result.exception  # what `main` turns into exit code 2
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def write_batches(folder: Path, name: str, seed: int, n: int, fault: str | None = None) -> Path:
    """Runs as a historian would give them: one row per run and time, interleaved."""
    lines = []
    for run in batches(seed, n, slowest=1.3):
        for hour, values in zip(run.hours, run.values, strict=True):
            values = values.copy()
            if fault == run.name and hour > run.hours[-1] / 2:
                values[3] += 1.0
            lines.append((hour, f"{run.name},{float(hour)!r}," + ",".join(repr(float(one)) for one in values)))
    path = folder / name
    text = "lot,hour," + ",".join(TAGS) + "\n" + "\n".join(line for _, line in sorted(lines)) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


@pytest.fixture
def batch_map(tmp_path: Path) -> Path:
    path = tmp_path / "lots.map.yaml"
    channels = "\n".join(f'  - {{column: {tag}, tag: {tag}, unit: "{UNITS[tag]}"}}' for tag in TAGS)
    path.write_text(
        "twinstream_map: 1\nname: lots\nsource: lots\nheader: {columns: [lot, hour, " + ", ".join(TAGS) + "]}\n"
        'subject: "{lot}"\ntime: {column: hour, format: h, origin: "2026-01-01T00:00:00Z"}\nchannels:\n' + channels
    )
    return path


def lines_of(path: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, path.read_text().splitlines()) if line["kind"] == kind]


def test_batches_from_csv_to_model_to_scores_that_name_the_fault(tmp_path: Path, batch_map: Path) -> None:
    good = write_batches(tmp_path, "good.csv.gz", 1, 24)
    model, out = tmp_path / "model.json", tmp_path / "scores.jsonl"
    said = golden(
        "fit", "--runs", good, "--map", batch_map, "--components", 2, "--grid", 40, "--leave-one-out", "--out", model
    )
    assert "24 runs, 4 tags, 2 components" in said.stderr
    new = write_batches(tmp_path, "new.csv", 5, 4, fault="B-002")
    table = golden("score", "--model", model, "--runs", new, "--map", batch_map, "--out", out, "--summary").stdout
    found, runs = lines_of(out, "row"), lines_of(out, "run")
    assert len(found) == 4 * 40
    by_name = {run["run"]: run for run in runs}
    faulty = by_name.pop("B-002")
    assert faulty["run_spe_rank"] == 1
    assert faulty["spe_beyond"] > 0.4
    assert all(run["spe_beyond"] < 0.1 for run in by_name.values())
    late = [row for row in found if row["run"] == "B-002" and row["maturity"] > 0.55]
    assert all(next(iter(row["spe_contributions"])) == "ph" for row in late)
    assert len(table.splitlines()) == 5
    assert table.splitlines()[0].split()[:2] == ["run", "rows"]


def test_scoring_twice_gives_the_same_bytes(tmp_path: Path, batch_map: Path) -> None:
    good = write_batches(tmp_path, "good.csv", 1, 12)
    for name in ("a", "b"):
        golden("fit", "--runs", good, "--map", batch_map, "--components", 2, "--out", tmp_path / f"{name}.json")
        golden(
            "score", "--model", tmp_path / f"{name}.json", "--runs", good, "--map", batch_map, "--out", tmp_path / name
        )
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_runs_that_are_not_good_can_be_left_out(tmp_path: Path, batch_map: Path) -> None:
    good = write_batches(tmp_path, "good.csv", 1, 12, fault="B-003")
    model = tmp_path / "m.json"
    golden("fit", "--runs", good, "--map", batch_map, "--components", 2, "--without", "B-003,B-004", "--out", model)
    named = [run["name"] for run in json.loads(model.read_bytes())["content"]["training"]]
    assert len(named) == 10
    assert "B-003" not in named
    with pytest.raises(UsageError, match="in --without, received B-77"):
        golden("fit", "--runs", good, "--map", batch_map, "--without", "B-77", "--out", model)


def plant(folder: Path, name: str, seed: int, n: int, shift: float = 0.0) -> Path:
    """Rows without key and without time, as the benchmark files of continuous plants are."""
    values = rows(seed, n, 6)
    values[n // 2 :, 2] += shift
    path = folder / name
    path.write_text(
        "\n".join([",".join(f"x{i}" for i in range(6)), *(",".join(map(repr, map(float, row))) for row in values)])
    )
    return path


PLANT_MAP = """
twinstream_map: 1
name: plant
source: plant
header: {columns: [x0, x1, x2, x3, x4, x5]}
subject: plant
time: {column: "{row}", format: min, origin: "2026-01-01T00:00:00Z"}
channels:
"""


def test_a_continuous_process_without_key_or_time(tmp_path: Path) -> None:
    mapping = tmp_path / "plant.map.yaml"
    mapping.write_text(PLANT_MAP + "\n".join(f'  - {{column: x{i}, tag: x{i}, unit: "{{number}}"}}' for i in range(6)))
    training, faulty = plant(tmp_path, "d00.csv", 1, 500), plant(tmp_path, "d01.csv", 2, 600, shift=20.0)
    model, out = tmp_path / "m.json", tmp_path / "s.jsonl"
    golden("fit", "--runs", training, "--map", mapping, "--mode", "continuous", "--components", 2, "--out", model)
    golden("score", "--model", model, "--runs", faulty, "--map", mapping, "--out", out, "--in-a-row", 6)
    found = lines_of(out, "row")
    assert [line["row"] for line in found] == list(range(1, 601))
    # what the command wrote against the formulas, from the numbers alone
    values, new = rows(1, 500, 6), rows(2, 600, 6)
    new[300:, 2] += 20.0
    z = (new - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    eigenvalues, vectors = np.linalg.eigh(np.corrcoef(values, rowvar=False))
    scores = z @ vectors[:, ::-1][:, :2]
    t2 = np.sum(scores**2 / eigenvalues[::-1][:2], axis=1)
    np.testing.assert_allclose([line["t2"] for line in found], t2, rtol=1e-9)
    np.testing.assert_allclose(
        [line["spe"] for line in found], np.sum(z**2, axis=1) - np.sum(scores**2, axis=1), rtol=1e-7
    )
    (run,) = lines_of(out, "run")
    assert run["first_beyond_row"] == 301
    assert run["run"] == "plant"
    assert next(iter(found[-1]["spe_contributions"])) == "x2"


def test_tags_can_be_chosen_and_calibration_takes_limits_from_other_rows(tmp_path: Path) -> None:
    mapping = tmp_path / "plant.map.yaml"
    mapping.write_text(PLANT_MAP + "\n".join(f'  - {{column: x{i}, tag: x{i}, unit: "{{number}}"}}' for i in range(6)))
    training, other = plant(tmp_path, "d00.csv", 1, 300), plant(tmp_path, "d00_te.csv", 2, 400)
    model = tmp_path / "m.json"
    golden(
        "fit", "--runs", training, "--map", mapping, "--mode", "continuous", "--components", 1, "--tags", "x4,x0,x2",
        "--limits", "empirical", "--calibrate", other, "--significance", 0.95, "--out", model,
    )  # fmt: skip
    document = json.loads(model.read_bytes())["content"]
    assert document["model"]["tags"] == ["x4", "x0", "x2"]
    out = golden("score", "--model", model, "--runs", other, "--map", mapping).stdout
    run = json.loads(out.splitlines()[-1])
    assert run["t2_beyond"] == pytest.approx(0.05, abs=0.004)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--align", "clock"], "expected --align elapsed, maturity:TAG or dtw"),
        (["--align", "maturity"], "expected --align elapsed, maturity:TAG or dtw"),
        (["--align", "maturity:feed"], "expected the tags feed"),
        (["--tags", "biomass,glucose"], "expected the tags glucose"),
        (["--tags", "ph,ph"], "expected each tag once"),
        (["--components", "2", "--variance", "0.5"], "received both; drop one"),
        (["--significance", "1"], "expected options of `golden fit`"),
        (["--grid", "1"], "expected options of `golden fit`"),
        (["--components", "11"], "expected 1 to 8 components"),
        (["--calibrate", "RUNS"], "add --limits empirical"),
    ],
)
def test_options_that_do_not_fit_are_usage_errors_that_say_what_to_do(
    tmp_path: Path, batch_map: Path, words: list[str], said: str
) -> None:
    good = write_batches(tmp_path, "good.csv", 1, 12)
    given = [str(good) if word == "RUNS" else word for word in words]
    with pytest.raises(UsageError, match=said):
        golden("fit", "--runs", good, "--map", batch_map, "--out", tmp_path / "m.json", *given)


def test_files_that_are_not_there_or_no_model_are_usage_errors(tmp_path: Path, batch_map: Path) -> None:
    good = write_batches(tmp_path, "good.csv", 1, 12)
    with pytest.raises(UsageError, match="check --model"):
        golden("score", "--model", tmp_path / "none.json", "--runs", good, "--map", batch_map)
    with pytest.raises(UsageError, match="expected a golden model"):
        golden("score", "--model", batch_map, "--runs", good, "--map", batch_map)
    with pytest.raises(UsageError, match="expected a file"):
        golden("fit", "--runs", tmp_path / "none.csv", "--map", batch_map, "--out", tmp_path / "m.json")
    with pytest.raises(UsageError, match="can be written"):
        golden("fit", "--runs", good, "--map", batch_map, "--components", 2, "--out", tmp_path / "no" / "m.json")


@pytest.mark.realdata
def test_the_real_plate_ranks_the_well_without_growth_first(tmp_path: Path) -> None:
    model, out = tmp_path / "m.json", tmp_path / "s.jsonl"
    golden("fit", "--runs", PLATE, "--components", 3, "--out", model)
    golden("score", "--model", model, "--runs", PLATE, "--out", out)
    runs = {line["run"]: line for line in lines_of(out, "run")}
    assert len(runs) == 32
    assert min(runs, key=lambda name: runs[name]["run_t2_rank"]) == "Yeast_strain_3 D06"
    assert all(np.isfinite(line["t2"]) and np.isfinite(line["spe"]) for line in lines_of(out, "row"))
