"""`twinstream lineage` as a process: reads what the log holds, and ends when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from schemas.errors import SettingsError
from streams.cli import app
from streams.ledger.lineage_write import next_offsets
from streams.log import Producer
from streams.prepare import prepare
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[4]
TOPIC = "enrollment.events"


@pytest.mark.postgres
def test_follows_a_topic_until_it_is_told_to_end(postgres_uri: str) -> None:
    prepare(postgres_uri, None)
    producer = Producer(postgres_uri)
    placed = producer.append(TOPIC, [(b"ST-1", b"no event", [])])
    producer.close()
    environment = {**os.environ, "TWINSTREAM_DATABASE": postgres_uri, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "streams.cli", "lineage", "--topic", TOPIC]
    with (
        subprocess.Popen(command, env=environment, cwd=ROOT) as process,
        psycopg.connect(postgres_uri, autocommit=True) as connection,
    ):
        try:
            wait_until(lambda: next_offsets(connection) == {(TOPIC, placed[0].partition): 1}, 20)
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_topic_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(app, ["lineage", "--topic", "nothing.events"])
    assert isinstance(done.exception, SettingsError)
    assert "received 'nothing.events', in --topic" in str(done.exception)
