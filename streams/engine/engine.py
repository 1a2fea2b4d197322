"""The engine of one family: the partitions of its topic that a worker owns, folded on one thread, committed on another.

Faust calls it through `streams/app.py`; it knows nothing of Faust. Everything here but `submit`-side waiting
runs on the fold thread, so no lock guards the partitions. What families share stands in `engines.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
import psycopg
import structlog

from schemas.errors import LedgerError, SnapshotError, StaleEpochError
from streams import changing
from streams.engine.commits import CommitThread
from streams.engine.configurations import Configurations
from streams.engine.lanes import Lanes
from streams.engine.partition import PartitionFold
from streams.ledger import claims
from streams.ledger.commit import Step
from streams.ledger.connect import away, blames_record, connect
from streams.ledger.folded import Folded
from streams.ledger.memory import load_past
from streams.metrics import Metrics
from twins.block import Effects, Model, Past, Shares, Wanted
from twins.frame import Frame, RawRecord

EXIT_USAGE = 2  # a supervisor does not start it again
EXIT_STALE = 75
EXIT_BROKEN = 70
_RETRY_SECONDS = 0.5
_NOTE_SECONDS = 4.0  # a failed process ends after so long, even if the failure could not be noted
T = TypeVar("T")
log = structlog.get_logger("twinstream.engine")


def _no_step(_: str) -> None:
    return


class FoldError(Exception):
    """Folding a partition raised; the cause is what it raised."""

    def __init__(self, partition: int) -> None:
        super().__init__(f"folding partition {partition} raised")
        self.partition = partition


class Engine:
    """Folds the partitions of one input topic.

    Parameters
    ----------
    commits : CommitThread
        Commits what is folded; this engine hears of it through `committed` and `commit_failed`.
    lanes : Lanes
        Take the folds of several partitions in turns.
    checkpoint_bytes : dict
        Sizes of the newest checkpoints by topic and partition, of all families.
    end_process : callable
        Called with an exit code when going on would be wrong; it does not return.
    leaving : callable
        Tells whether the process was asked to stop; another may then take a partition before the last commit.
    at_step : callable
        Told the name of each step of a fold and commit; tests kill the process there.
    """

    def __init__(
        self,
        *,
        uri: str,
        topic: str,
        model: Model,
        commits: CommitThread,
        lanes: Lanes,
        checkpoint_bytes: dict[tuple[str, int], int],
        metrics: Metrics,
        owner: str,
        checkpoint_seconds: float,
        frame_records: int,
        end_process: Callable[[int], None],
        leaving: Callable[[], bool] = lambda: False,
        at_step: Step = _no_step,
    ) -> None:
        self.topic = topic
        self._uri = uri
        self._model = model
        self._metrics = metrics
        self._owner = owner
        self._checkpoint_seconds = checkpoint_seconds
        self._careful_records = 2 * frame_records
        self._end_process = end_process
        self._step = at_step
        self._partitions: dict[int, PartitionFold] = {}
        self._lanes = lanes
        self._checkpoint_due: dict[int, float] = {}
        self._checkpoint_bytes = checkpoint_bytes
        self._checkpointed: dict[int, int] = {}
        self._owned: set[int] = set()
        self.configurations = Configurations(topic, model, self._asked)
        self._missing: dict[int, tuple[int, int]] = {}  # by partition: the offset expected, the one received
        self._connection: psycopg.Connection[Any] | None = None
        self._stopping = False
        self._leaving = leaving
        self.applied: dict[int, int] = {}
        self.moved_at = time.monotonic()
        self._commits = commits

    def interrupt(self) -> None:
        """Let nothing wait for the database any more, before `last_checkpoints`. From any thread."""
        self._stopping = True

    def last_checkpoints(self) -> None:
        """Hand over the state of each partition owned, where it moved since its newest checkpoint."""
        for partition in sorted(self._owned):
            fold = self._partitions[partition]
            if fold.next_offset != self._checkpointed.get(partition):
                self._commits.submit(self._checkpoint_alone(fold))

    def claim(self, partitions: Iterable[int]) -> dict[int, int]:
        """Take partitions; give the offset to fold each from. Waits for the database as long as it takes."""
        wanted = sorted(partitions)
        places = [(self.topic, partition) for partition in wanted]
        self._commits.flush(timeout=self._checkpoint_seconds)
        while not self._stopping:
            try:
                changing.keep(self._connected(), self._model)
                taken = claims.claim(self._connected(), places, self._owner, near=self._careful_records)
                break
            except psycopg.errors.LockNotAvailable:
                log.warning("an owner holds on to its partition", ended=claims.end_silent(self._connected(), places))
            except psycopg.Error as error:
                if not away(error):
                    raise
                self._metrics.database_up.set(0)
                log.warning("database away; cannot claim yet", error=str(error).strip()[:200])
                self.disconnect()
                time.sleep(_RETRY_SECONDS)
        else:
            return {}
        try:
            offsets = {claim.partition: self._resume(claim) for claim in taken}
        except InterruptedError:
            return {}
        self._owned = set(wanted)
        return offsets

    def _resume(self, claim: claims.Claim) -> int:
        held = self._partitions.get(claim.partition)
        # Nobody wrote since our own last commit: what is in memory is the state.
        if held is not None and claim.epoch == held.epoch + 1 and claim.applied == held.next_offset:
            held.epoch = claim.epoch
            return held.next_offset
        model = self.configurations.of(claim)
        fold = PartitionFold(
            model, self.topic, claim.partition, self._load_past, self.configurations.after, self._lanes
        )
        offset = fold.resume(claim, careful_records=self._careful_records)
        self._partitions[claim.partition] = fold
        self._checkpointed[claim.partition] = offset
        self._checkpoint_due[claim.partition] = (
            time.monotonic() + self._checkpoint_seconds * (1 + claim.partition % 8) / 8
        )
        self.applied[claim.partition] = claim.applied
        self._metrics.applied_offset.labels(self.topic, claim.partition).set(claim.applied)
        log.info(
            "claimed",
            partition=claim.partition,
            epoch=claim.epoch,
            troubles=claim.troubles,
            applied=claim.applied,
            fold_from=offset,
            twins=len(fold.block.keys()),
        )
        return offset

    def revoke(self, partitions: Iterable[int]) -> None:
        """Give partitions up after committing what was folded, if that works in time."""
        self._commits.flush(timeout=self._checkpoint_seconds)
        gone = set(partitions)
        self._owned -= gone
        log.info("revoked", partitions=sorted(gone))

    def fold_all(self, frames: Mapping[int, tuple[Sequence[RawRecord], int | None]]) -> dict[int, int]:
        """Fold frames of several partitions, each (records, follows); give where to seek to because records are
        missing, by partition. Twins that do together what they compute alike are folded in turns.

        Raises
        ------
        FoldError
            With the partition whose fold raised first, and what it raised. The others were folded to their ends.
        """
        partitions = sorted(frames)
        jobs = [partial(self.fold, partition, *frames[partition]) for partition in partitions]
        shared = any(isinstance(fold.block, Shares) for fold in self._partitions.values())
        outcomes = self._lanes.run(jobs) if shared else [one for job in jobs for one in self._lanes.run([job])]
        for partition, one in zip(partitions, outcomes, strict=True):
            if one.error is not None:
                raise FoldError(partition) from one.error
        back = ((partition, one.value) for partition, one in zip(partitions, outcomes, strict=True))
        return {partition: offset for partition, offset in back if offset is not None}

    def fold(self, partition: int, records: Sequence[RawRecord], follows: int | None = None) -> int | None:
        """Fold records and hand the result to the commit thread.

        Parameters
        ----------
        follows : int or None
            The offset after the last record handed on before these, if that is known: it tells a hole of the log
            (Kafka has them) from a frame that got lost.

        Returns
        -------
        int or None
            The offset to seek to because records are missing, or None.
        """
        fold = self._partitions.get(partition)
        if fold is None:
            raise LedgerError(f"expected to own {self.topic}/{partition}, received a frame of it unclaimed")
        whole = records[0].offset <= fold.next_offset or follows == fold.next_offset
        if not whole and not self._gone_for_good(fold, records[0].offset):
            return fold.next_offset
        started = time.monotonic()
        self._step("fold")
        for folded in fold.fold_frame(records):
            self._step("folded")
            if folded.changed is not None or time.monotonic() >= self._checkpoint_due[partition]:
                self._submit_with_checkpoint(fold, folded)
            else:
                self._commits.submit(folded)
        self._metrics.fold_seconds.observe(time.monotonic() - started)
        return None

    def _gone_for_good(self, fold: PartitionFold, received: int) -> bool:
        """Tell whether records are missing in the log itself: the same gap was found again after going back to it."""
        gap = (fold.next_offset, received)
        if self._missing.get(fold.partition) != gap:
            self._missing[fold.partition] = gap
            log.warning("frame missing; going back", partition=fold.partition, expected=gap[0], received=received)
            return False
        # retention was quicker than this worker, or the topic was compacted: no reading of it will bring them
        log.error("the log lacks records; going on", partition=fold.partition, expected=gap[0], received=received)
        return True

    def on_wall_clock(self) -> list[int]:
        """Give the owned partitions whose twins want to hear that time passed. On the fold thread."""
        return sorted(number for number in self._owned if self._partitions[number].block.on_wall_clock())

    def lag_moved(self) -> float:
        """Seconds since something was last committed, or nothing waited."""
        return time.monotonic() - self.moved_at

    def nothing_waits(self) -> None:
        """Take note that all records are committed: a family that hears little has not stalled when one comes."""
        self.moved_at = time.monotonic()

    def failed(self, partition: int | None, error: BaseException) -> None:
        """Note the failure in the ledger, so that a second one is folded with care; then end the process.

        It ends within 5 s, even where the ledger cannot be reached.
        """
        if isinstance(error, InterruptedError):
            # the commit thread failed first: it knows which record to note, and ends the process
            self._commits.join(_NOTE_SECONDS)
        self._fail(partition, error, None)

    def _fail(self, partition: int | None, error: BaseException, guilty: Folded | None) -> None:
        codes: dict[type[BaseException], int] = {StaleEpochError: EXIT_STALE, SnapshotError: EXIT_USAGE}
        code = codes.get(type(error), EXIT_BROKEN)
        deadline = threading.Timer(_NOTE_SECONDS, self._end_process, (code,))
        deadline.daemon = True
        deadline.start()
        said = f"{type(error).__name__}: {error}"
        log.error("the program failed; ending", partition=partition, error=said, exc_info=error)
        if partition is not None and blames_record(error):
            if guilty is None:
                self._commits.flush(timeout=_NOTE_SECONDS / 2)
            try:
                with connect(self._uri, name=self._owner) as connection:
                    if guilty is not None and guilty.alone is not None:
                        claims.skip(connection, self.topic, partition, guilty.epoch, guilty.alone, said)
                    claims.note_trouble(connection, self.topic, partition, said)
            except psycopg.Error as second:
                log.error("could not note the failure", error=str(second))
        deadline.cancel()
        self._end_process(code)

    def _checkpoint_alone(self, fold: PartitionFold) -> Folded:
        """A commit that brings no record, only the state as it stands."""
        frame = Frame(self.topic, fold.partition, fold.next_offset, fold.next_offset - 1, [], [])
        folded = Folded(frame, Effects(np.zeros(0, dtype=bool)), fold.epoch, fold.next_offset, {})
        self._take_checkpoint(fold, folded)
        return folded

    def _submit_with_checkpoint(self, fold: PartitionFold, folded: Folded) -> None:
        """Hand over a frame with the state after it. A record folded with care goes alone: it must not be blamed.

        A change of configuration never goes without its state: what is below it is of another model.
        """
        if folded.alone is None or folded.changed is not None:
            self._take_checkpoint(fold, folded)
            self._commits.submit(folded)
            return
        self._commits.submit(folded)
        self._commits.submit(self._checkpoint_alone(fold))

    def _take_checkpoint(self, fold: PartitionFold, folded: Folded) -> None:
        started = time.monotonic()
        folded.checkpoint = fold.checkpoint()
        self._checkpoint_due[fold.partition] = started + self._checkpoint_seconds
        self._checkpointed[fold.partition] = fold.next_offset
        self._checkpoint_bytes[self.topic, fold.partition] = len(folded.checkpoint.body)
        self._metrics.checkpoint_seconds.observe(time.monotonic() - started)
        self._metrics.checkpoint_bytes.set(sum(self._checkpoint_bytes.values()))
        self._metrics.twins.labels(self._model.kind).set(
            sum(len(one.block.keys()) for one in self._partitions.values())
        )

    def _load_past(self, wanted: Sequence[Wanted], before: int) -> Past:
        """Read twins' past as it was before an offset."""
        return self._asked(lambda connection: load_past(connection, self._model.kind, wanted, before))

    def _asked(self, ask: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Ask the ledger once everything folded so far is in it. Waits for the database."""
        while not (self._stopping or self._commits.ended):
            try:
                if not self._commits.flush(_RETRY_SECONDS):
                    self._metrics.backpressure.set(1)
                    continue
                with self._connected().transaction():
                    answer = ask(self._connected())
                self._metrics.backpressure.set(0)
                self.moved_at = time.monotonic()  # a change of configuration asks for long, and is no stall
                return answer
            except psycopg.Error as error:
                if not away(error):
                    raise
                self._metrics.backpressure.set(1)
                log.warning("database away; cannot ask it yet", error=str(error).strip()[:200])
                self.disconnect()
                time.sleep(_RETRY_SECONDS)
        raise InterruptedError("told to stop while waiting for the database; the frame is folded at the next start")

    def committed(self, round_: list[Folded]) -> None:
        """Count what a committed round holds of this topic. On the commit thread."""
        now = time.time()
        self.moved_at = time.monotonic()
        metrics = self._metrics
        for one in round_:
            partition = one.frame.partition
            self.applied[partition] = max(self.applied.get(partition, 0), one.next_offset)
            metrics.applied_offset.labels(self.topic, partition).set(self.applied[partition])
            metrics.records_folded.labels(self.topic).inc(len(one.frame.facts))
            metrics.frames.inc()
            if one.frame.facts:
                metrics.end_to_end_seconds.observe(max(0.0, now - one.frame.facts[-1].known_at / 1e6))
            if one.effects.late:
                metrics.records_late.labels(self.topic).inc(len(one.effects.late))
            for kind in ("estimates", "forecasts", "alerts", "requests", "corrections"):
                found = getattr(one.effects, kind)
                if found:
                    metrics.effects.labels(kind[:-1]).inc(len(found))
            for reject in one.effects.rejects:
                if reject.data["reason"] == "duplicate":
                    metrics.duplicates.labels(self.topic).inc()
                else:
                    metrics.records_refused.labels(self.topic, reject.data["reason"]).inc()

    def commit_failed(self, error: BaseException, guilty: Folded | None) -> None:
        if isinstance(error, StaleEpochError) and (self._stopping or self._leaving()):
            log.info("another worker took over while this one stops; it folds what is left", reason=str(error))
            return
        self._fail(None if guilty is None else guilty.frame.partition, error, guilty)

    def disconnect(self) -> None:
        """End the session with the ledger; what asks it later opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._uri, name=self._owner)
        return self._connection
