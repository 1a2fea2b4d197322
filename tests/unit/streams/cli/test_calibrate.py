"""`twinstream calibrate`: what it writes is read where the configuration names it."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

from schemas.errors import SettingsError
from streams.models import load_model
from streams.run_report.configuration import configuration

module = importlib.import_module("streams.cli.main")  # the door names the function of that name
PROCESS = {
    "model": "cho_xing",
    "channels": [{"tag": "biomass", "state": "viable_cells", "relative": 0.02}],
    "unsure": {"mu_m": 0.1},
}


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(module, "follow_supervisor", lambda: None)
    monkeypatch.setattr(sys, "argv", ["twinstream", "calibrate", *words])
    with pytest.raises(SystemExit) as ended:
        module.main()
    return int(ended.value.code or 0)


def test_a_calibration_is_made_named_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, out = tmp_path / "cho.json", tmp_path / "calibration.json"
    config.write_text(json.dumps({"process": PROCESS}))
    words = ["--config", str(config), "--out", str(out), "--hours", "24", "--state", "viable_cells", "--runs", "200"]
    assert command(monkeypatch, *words, "--signal-minutes", "60", "--seed", "5") == 0
    written = json.loads(out.read_text())
    assert (written["made"]["seed"], [one["state"] for one in written["states"]]) == (5, ["viable_cells"])
    plain = load_model("bioreactor", config).name
    config.write_text(json.dumps({"process": {**PROCESS, "calibration": "calibration.json"}}))
    assert load_model("bioreactor", config).name != plain
    section = configuration(config).process
    assert section is not None
    assert section.calibration is not None
    assert section.calibration.made.seed == 5
    other = {**PROCESS, "unsure": {"mu_m": 0.2}, "calibration": "calibration.json"}
    config.write_text(json.dumps({"process": other}))
    with pytest.raises(SettingsError, match="expected a calibration of the design"):
        load_model("bioreactor", config)


def test_what_cannot_be_calibrated_ends_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config, out = tmp_path / "growth.json", tmp_path / "calibration.json"
    config.write_text("{}")
    words = ["--config", str(config), "--out", str(out), "--hours", "24", "--state", "viable_cells"]
    assert command(monkeypatch, *words) == 2
    config.write_text(json.dumps({"process": PROCESS}))
    assert command(monkeypatch, *words[:-1], "sugar") == 2
    assert not out.exists()
