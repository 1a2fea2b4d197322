"""The engines of a worker, one a family, over what they share: one commit thread, lanes, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streams.engine.commits import CommitThread
from streams.engine.engine import Engine
from streams.engine.lanes import Lanes
from streams.ledger.commit import Committer, Outputs, Step
from streams.ledger.folded import Folded
from streams.metrics import Metrics
from twins.block import Model


def _no_step(_: str) -> None:
    return


class Engines:
    """Folds the partitions of several input topics. A round commits what was folded of any of them.

    Parameters
    ----------
    models : mapping
        By input topic: what its twins are computed with.
    pending_records : int
        Most records of all families that may be folded and not yet committed.
    after_commit : callable
        Called after each round, on the commit thread.

    The others are those of `Engine`.
    """

    def __init__(
        self,
        *,
        uri: str,
        models: Mapping[str, Model],
        outputs: Outputs,
        metrics: Metrics,
        owner: str,
        checkpoint_seconds: float,
        pending_records: int,
        frame_records: int,
        end_process: Callable[[int], None],
        after_commit: Callable[[], None] = lambda: None,
        leaving: Callable[[], bool] = lambda: False,
        at_step: Step = _no_step,
    ) -> None:
        self._after_commit = after_commit
        self._lanes = Lanes()
        self.commits = CommitThread(
            uri, Committer(outputs, at_step), metrics, owner, pending_records, self._committed, self._commit_failed
        )
        sizes: dict[tuple[str, int], int] = {}
        self.of = {
            topic: Engine(
                uri=uri,
                topic=topic,
                model=model,
                commits=self.commits,
                lanes=self._lanes,
                checkpoint_bytes=sizes,
                metrics=metrics,
                owner=owner,
                checkpoint_seconds=checkpoint_seconds,
                frame_records=frame_records,
                end_process=end_process,
                leaving=leaving,
                at_step=at_step,
            )
            for topic, model in models.items()
        }

    def start(self) -> None:
        """Begin committing."""
        self.commits.start()

    def interrupt(self) -> None:
        """Let nothing wait for the database any more, before `stop`. From any thread."""
        for engine in self.of.values():
            engine.interrupt()
        self.commits.interrupt()

    def stop(self, timeout: float) -> None:
        """Commit what is folded, with a last checkpoint of each partition owned, and end, within the time given."""
        for engine in self.of.values():
            engine.last_checkpoints()
        self.commits.stop(timeout)
        self._lanes.close()
        for engine in self.of.values():
            engine.disconnect()

    def failed(self, error: BaseException) -> None:
        """End the process for an error that is no partition's."""
        self._any().failed(None, error)

    @property
    def database_up(self) -> bool:
        """Whether the last commit round found the database."""
        return self.commits.database_up

    def _committed(self, round_: list[Folded]) -> None:
        by_topic: dict[str, list[Folded]] = {}
        for one in round_:
            by_topic.setdefault(one.frame.topic, []).append(one)
        for topic, frames in by_topic.items():
            self.of[topic].committed(frames)
        self._after_commit()

    def _commit_failed(self, error: BaseException, guilty: Folded | None) -> None:
        engine = self._any() if guilty is None else self.of[guilty.frame.topic]
        engine.commit_failed(error, guilty)

    def _any(self) -> Engine:
        return next(iter(self.of.values()))
