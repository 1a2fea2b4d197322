"""`twinstream report run`: files that are the same each time, and errors with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from schemas.errors import LedgerError, UsageError
from streams.cli import app
from tests.unit.streams.run_report.made import ledger, records_of_file

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def uri(postgres_server: Any) -> str:
    """A ledger with the example of late assays."""
    return ledger(postgres_server, records_of_file("late_assay.jsonl"))


def command(monkeypatch: pytest.MonkeyPatch, uri: str, *words: object) -> Result:
    monkeypatch.setenv("TWINSTREAM_DATABASE", uri)
    result = CliRunner().invoke(app, ["report", "run", *map(str, words)], catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception  # what `main` turns into an exit code
    return result


def test_the_command_writes_the_same_file_each_time(uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pages = []
    for name in ("a.html", "b.html"):
        command(monkeypatch, uri, "--unit", "BR-102", "--out", tmp_path / name, "--zone-minutes", 60)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
    command(monkeypatch, uri, "--unit", "BR-102", "--batch", "B-2602", "--out", tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_bytes())
    assert document["id"].encode() in pages[0]
    moment = "2026-03-02T12:00:00Z"
    command(monkeypatch, uri, "--unit", "BR-102", "--out", tmp_path / "b.json", "--known-at", moment)
    then = json.loads((tmp_path / "b.json").read_bytes())
    assert then["origin"]["known_at"] == moment
    assert len(then["assays"]) == 2


def test_errors_say_what_was_expected(
    uri: str, postgres_uri: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "r.html"
    with pytest.raises(UsageError, match="expected a unit that was heard of"):
        command(monkeypatch, uri, "--unit", "BR-404", "--out", out)
    with pytest.raises(UsageError, match="expected a batch of 'BR-102'"):
        command(monkeypatch, uri, "--unit", "BR-102", "--batch", "B-404", "--out", out)
    with pytest.raises(LedgerError, match="found an empty database"):
        command(monkeypatch, postgres_uri, "--unit", "BR-102", "--out", out)
    assert not out.exists()
    with pytest.raises(UsageError, match="a file that can be written"):
        command(monkeypatch, uri, "--unit", "BR-102", "--out", tmp_path / "none" / "r.html")
