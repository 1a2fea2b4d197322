"""One run under faults: a database, a transport, a feeder, workers one after another, and the verifier at its end."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from streams.log import Row
from streams.prepare import prepare
from tests.faults.load import TOPIC, Feeder, rows
from tests.faults.logs import clear_kafka, kafka_ends
from tests.faults.plan import Plan
from tests.faults.verifier import Findings, check_ledger
from tests.faults.workers import Forge, Life, until
from tests.support.counting import CountingModel
from twins.bioreactor import BioreactorModel
from twins.block import Model

LIFE_SECONDS = 60.0  # a planned end comes within so long
END_SECONDS = 90.0  # all that was fed is applied within so long after the last fault
STOP_SECONDS = 10.0
STALE = 75


class Rig:
    """What one fault test runs on.

    Parameters
    ----------
    uri, broker
        A database of the test's own, and Kafka or None.
    worker_uri : str or None
        Where workers find the database, if not at `uri`: a proxy.
    settings
        TWINSTREAM_ settings of the workers, by their names in small letters.
    """

    def __init__(
        self,
        forge: Forge,
        uri: str,
        broker: str | None,
        folder: Path,
        seed: int,
        *,
        worker_uri: str | None = None,
        defects: tuple[str, ...] = (),
        model: str = "bioreactor",
        **settings: Any,
    ) -> None:
        self.uri = uri
        self.broker = broker
        self.seed = seed
        self.random = random.Random(seed)
        self.lives: list[Life] = []
        self.model = model
        self.lease_seconds = float(settings.get("lease_seconds", 6.0))
        self._forge = forge
        self._defects = defects
        self._feeder: Feeder | None = None
        self._sent: list[Row] = []
        self._unsure = 0
        self.environment = {
            "TWINSTREAM_DATABASE": worker_uri or uri,
            "TWINSTREAM_DATA_DIR": str(folder),
            "TWINSTREAM_GROUP": f"faults-{uuid4().hex[:12]}",
            "TWINSTREAM_CHECKPOINT_SECONDS": "1",
            "TWINSTREAM_LOG_LEVEL": "INFO",
            **({"TWINSTREAM_BROKER": broker, "TWINSTREAM_INSTANCE": "worker-1"} if broker else {}),
            **{f"TWINSTREAM_{name.upper()}": str(value) for name, value in settings.items()},
        }
        if broker is not None:
            clear_kafka(broker)
        prepare(uri, broker)

    # -- load

    def feed(self, per_second: float = 200.0, backlog: int = 0) -> Feeder:
        """Begin to feed; the `backlog` is there before this returns."""
        self._feeder = Feeder(self.broker, self.uri, rows(self.seed), per_second)
        if backlog:
            self._feeder.append(backlog)
        return self._feeder.start() if per_second else self._feeder

    def append(self, records: list[Row]) -> None:
        """Append records at once."""
        feeder = Feeder(self.broker, self.uri, iter(()), 1)
        try:
            feeder.append_rows(records)
        finally:
            feeder.stop()
        self._sent += feeder.acknowledged
        self._unsure += len(feeder.unsure)

    def stop_feeding(self) -> None:
        if self._feeder is not None:
            self._feeder.stop()
            self._sent += self._feeder.acknowledged
            self._unsure += len(self._feeder.unsure)
            self._feeder = None

    # -- workers

    def launch(self, plan: Plan = Plan(), **environment: str) -> Life:  # noqa: B008  (frozen)
        """Start a worker; a defect under test is in every one of them."""
        whole = replace(plan, defects=(*self._defects, *plan.defects), model=self.model)
        life = self._forge.launch(whole, self.environment | environment)
        self.lives.append(life)
        return life

    def live(self, plans: Iterable[Plan]) -> Iterator[Life]:
        """Let lives follow each other, each until it ends by its plan; give each as it is over."""
        for plan in plans:
            life = self.launch(plan)
            life.wait(LIFE_SECONDS, f"the end at {plan.at or plan.raise_in or plan.poison!r}, hit {plan.hit}")
            yield life

    def live_killed(self, kills: int, longest_seconds: float) -> list[float]:
        """Let lives follow each other, each killed at a random moment; give how long they lasted."""
        lasted = []
        for _ in range(kills):
            life = self.launch()
            threading.Event().wait(self.random.uniform(0.0, longest_seconds))  # the fault itself, not a wait for it
            life.kill()
            life.wait(10)
            lasted.append(life.ended - life.began)
        return lasted

    def finish(self, more: int = 0) -> Life:
        """Let one more worker apply all there is, and so many records more, and stop it."""
        life = self.launch()
        if self._feeder is not None:
            enough, feeder = len(self._feeder.acknowledged) + more, self._feeder
            until(lambda: len(feeder.acknowledged) >= enough, END_SECONDS, f"{more} records more")
        self.stop_feeding()
        self.end_well(life)
        return life

    def catch_up(self, life: Life) -> None:
        """Wait until all there is was applied and sent."""
        try:
            until(lambda: self.applied() == self.ends() or not life.alive, END_SECONDS, "all records to be applied")
            assert life.alive, f"expected a worker that works on, it ended with {life.code}:\n{life.said()}"
            until(lambda: not self.waiting(), END_SECONDS, "the outbox to be sent")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{life.said()}") from None

    def end_well(self, life: Life) -> None:
        """Wait until all there is was applied and sent, then stop the worker; it must end with 0."""
        # one that is still starting has no manners yet, and there may have been nothing left to wait for
        until(lambda: self.claimed_by(life) or not life.alive, END_SECONDS, "the worker to begin")
        self.catch_up(life)
        life.signal(signal.SIGTERM)
        code = life.wait(STOP_SECONDS + 5, "a clean stop")
        assert code == 0, f"expected exit code 0 after SIGTERM, received {code}:\n{life.said()}"

    # -- what is there

    def applied(self) -> dict[int, int]:
        """Next offset of each partition that has records, as the ledger has it."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            return dict(
                connection.execute(
                    "select partition, next_offset from applied where topic = %s and next_offset > 0", (TOPIC,)
                ).fetchall()
            )

    def ends(self) -> dict[int, int]:
        """Next offset of each partition that has records, as the log has it."""
        if self.broker is None:
            with psycopg.connect(self.uri, autocommit=True) as connection:
                return dict(
                    connection.execute(
                        "select h.partition, h.next_offset from log_head h join log_topic t on t.no = h.topic"
                        " where t.name = %s and h.next_offset > 0",
                        (TOPIC,),
                    ).fetchall()
                )
        return kafka_ends(self.broker, TOPIC)

    def waiting(self) -> int:
        """Messages in the outbox."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            row = connection.execute("select count(*) from outbox").fetchone()
        return int(row[0]) if row else 0

    def claimed_by(self, life: Life) -> bool:
        """Tell whether a worker owns the partitions."""
        with psycopg.connect(self.uri, autocommit=True) as connection:
            row = connection.execute(
                "select count(*) from applied where owner like %s", (f"%-{life.pid}-%",)
            ).fetchone()
        return bool(row and row[0])

    def verify(self) -> Findings:
        """Hold the ledger against the log."""
        model: Model = CountingModel() if self.model == "counting" else BioreactorModel()
        found = check_ledger(self.uri, self.broker, model, self.seed, sent=self._sent, unsure=self._unsure)
        print(f"verified, seed {self.seed}: {found}")
        return found

    def close(self) -> None:
        """Stop what still runs."""
        for life in self.lives:
            life.kill()
        if self._feeder is not None:
            self._feeder.stop()
