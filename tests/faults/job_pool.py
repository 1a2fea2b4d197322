"""A pool of dispatchers and job workers under the test's hand, what is asked of it, and what it must have done."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from schemas.effects import Effect, write_effect
from schemas.jobs import ResimulationRequest, ResimulationResult, SimulationSpec
from streams.jobs.dispatcher import TOPIC
from streams.transports import open_writer
from tests.faults.job_process import Plan, live
from tests.faults.workers import until
from tests.support.counting_engine import CountingEngine, specification
from tests.support.engines import rows_of
from tests.support.jobs import said
from twins.engine import Device

WORK = 5_000  # turns of the counting engine in one step: half a millisecond
AT = "2026-03-01T08:00:00Z"


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.job_process"])


class Life:
    """One process. What it prints is kept."""

    def __init__(self, plan: Plan, log: Path) -> None:
        self.log = log
        self._process = _FORKS.Process(target=live, args=(plan, str(log)))
        self._process.start()

    def signal(self, number: signal.Signals) -> None:
        if self._process.is_alive():
            assert self._process.pid is not None
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """End it, and take its code."""
        self._process.kill()
        self._process.join()

    @property
    def code(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float = 30.0) -> int:
        """Wait until it has ended by itself; give its exit code, negative for a signal."""
        self._process.join(seconds)
        assert self.code is not None, f"expected its end within {seconds:g} s; it said {self.said()}"
        return self.code

    def stopped(self) -> bool:
        """Whether it stands still."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        return stat.rpartition(")")[2].split()[0] == "T"

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""


class Pool:
    """Lives on one database, and on Kafka where there is a broker. A context manager: all are killed at its end."""

    def __init__(self, uri: str, folder: Path, broker: str | None = None) -> None:
        self.uri, self.broker = uri, broker
        self.asked: dict[str, SimulationSpec] = {}
        self.lives: list[Life] = []
        self._folder = folder

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for life in self.lives:
            life.kill()

    def launch(self, role: str, **plan: Any) -> Life:
        """Start a process; `plan` as of `Plan`."""
        name = plan.pop("name", f"{role}-{len(self.lives)}")
        life = Life(Plan(role, self.uri, name, **{"broker": self.broker, **plan}), self._folder / f"{name}.log")
        self.lives.append(life)
        return life

    def ask(self, *steps: int, **wanted: Any) -> list[str]:
        """Put questions on the topic, each for a twin of its own unless `key` names one; give their ids."""
        key = wanted.pop("key", None)
        rows, names = [], []
        for count in steps:
            name = f"job-{len(self.asked)}"
            spec = specification(count, **{"work": WORK, "seed": len(self.asked), **wanted})
            self.asked[name] = spec
            rows.append(question(name, key or f"BR-{name}", spec))
            names.append(name)
        self.put(*rows)
        return names

    def put(self, *rows: tuple[bytes, bytes]) -> None:
        """Put records on the topic of requests."""
        writer = open_writer(self.broker, self.uri, "test-requests")
        writer.append(TOPIC, [(key, value, None) for key, value in rows], timeout=60.0)
        writer.close()

    def state(self, name: str) -> str:
        """State of a job; empty where it was not taken in."""
        rows = rows_of(self.uri, "select state from job where id = %s", name)
        return str(rows[0][0]) if rows else ""

    def count(self, condition: str) -> int:
        """How many jobs there are of which that is true."""
        return int(rows_of(self.uri, f"select count(*) from job where {condition}")[0][0])

    def until(self, condition: str, number: int = 1, seconds: float = 60.0) -> None:
        """Wait until so many jobs are thus."""
        until(lambda: self.count(condition) >= number, seconds, f"{number} jobs with {condition}; {self.told()}")

    def all_ended(self, seconds: float = 60.0) -> None:
        """Wait until all that was asked has ended."""
        self.until("state not in ('queued', 'running')", len(self.asked), seconds)

    def told(self) -> str:
        """What the last lives said, for a failure's message."""
        return "\n".join(f"{life.log.stem} ({life.code}): {life.said()[-600:]}" for life in self.lives[-3:])

    def results(self) -> list[ResimulationResult]:
        """What was said on `resim.results`."""
        return [msgspec.json.decode(value, type=ResimulationResult) for _, value, _ in said(self.uri, "resim.results")]

    def assert_each_answered_once(self, without: tuple[str, ...] = ()) -> int:
        """Each job: one row that is done, one message, one event, the bits of a straight run. Gives the resumed."""
        names = [name for name in self.asked if name not in without]
        rows = dict(rows_of(self.uri, "select id, state from job where id <> all(%s)", list(without)))
        assert rows == dict.fromkeys(names, "done")
        found = {one.job: one for one in self.results() if one.job not in without}
        assert Counter(one.job for one in self.results() if one.job not in without) == Counter(names)
        events = [headers["ce_id"] for _, _, headers in said(self.uri, "bioreactor.events")]
        assert Counter(name for name in events if name not in without) == Counter(names)
        for name in names:
            assert found[name].summary["mix"] == straight(msgspec.json.encode(plain(self.asked[name]))), name
        assert rows_of(self.uri, "select from job_checkpoint c join job j on j.no = c.job where state = 'done'") == []
        return sum(bool(found[name].provenance.resumed) for name in names)


def plain(spec: SimulationSpec) -> SimulationSpec:
    """The same question without trouble."""
    return msgspec.structs.replace(spec, inputs={k: v for k, v in spec.inputs.items() if k != "trouble"})


@cache
def straight(spec: bytes) -> str:
    """What the engine finds without a pool."""
    run = CountingEngine().prepare(msgspec.json.decode(spec, type=SimulationSpec), (), Device())
    run.run(60.0)
    return str(run.answer().summary["mix"])


def question(name: str, key: str, spec: SimulationSpec) -> tuple[bytes, bytes]:
    """A record that asks it."""
    data = msgspec.to_builtins(ResimulationRequest(spec, "growth slows"))
    return key.encode(), write_effect(Effect(name, "request", "advisory", "bioreactor", key, AT, AT, "growth", data))
