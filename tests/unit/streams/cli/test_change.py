"""`change request` refuses what no worker could carry out, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from schemas.errors import UsageError
from streams import models
from streams.cli import app
from tests.support.counting import CountingModel


def test_a_kind_whose_twins_cannot_change_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "load_model", lambda kind, _: CountingModel(kind=kind))
    file = tmp_path / "new.json"
    file.write_text("{}")
    asked = ["change", "request", "--kind", "enrollment", "--config", str(file), "--author", "A", "--reason", "r"]
    done = CliRunner().invoke(app, asked)
    assert isinstance(done.exception, UsageError)
    assert "enrollment cannot" in str(done.exception)
