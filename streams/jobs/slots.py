"""One slot for each twin and kind: what a new question does to those that wait and run. Pure; the ledger writes it.

`finish`: the running one goes on, the newer waits. `supersede`: the running one is told to stop unless half of it is
done. `extend`: the running one answers for both. What waits and never began is always replaced by the newer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from streams.jobs.ports import Outcome, Taken
from twins.engine import Overlap

MOST_REASONS = 16  # kept of one job; the first
MOST_REASON_CHARACTERS = 500
SUPERSEDE_BELOW = 0.5  # share done, from which on a run is worth its end

Slot = tuple[str, str, str]  # twin kind, twin key, kind


@dataclass(slots=True)
class SlotJob:
    """A job as far as its slot is concerned. `no` is None where it is new; times None: none, or now."""

    id: str
    slot: Slot
    content_hash: bytes
    reasons: list[str]
    priority: int
    rank: int
    deadline: datetime | None
    asked_at: datetime | None = None
    no: int | None = None
    state: str = "queued"
    attempt: int = 0
    share: float = 0.0
    wish: str = ""
    superseded_by: str | None = None
    changed: bool = False

    @property
    def begun(self) -> bool:
        """Whether an attempt was made."""
        return self.state == "running" or self.attempt > 0

    def join(self, other: SlotJob) -> bool:
        """Take over another's reasons, priority and deadline; tell whether that changed anything."""
        reasons = join_reasons(self.reasons, other.reasons)
        deadline = earliest(self.deadline, other.deadline)
        priority, rank = min(self.priority, other.priority), min(self.rank, other.rank)
        changed = (reasons, deadline, priority, rank) != (self.reasons, self.deadline, self.priority, self.rank)
        self.reasons, self.deadline, self.priority, self.rank = reasons, deadline, priority, rank
        self.changed = self.changed or changed
        return changed


@dataclass(slots=True)
class SlotJobs:
    """The jobs of one slot that wait or run, oldest first."""

    jobs: list[SlotJob] = field(default_factory=list)
    ended: list[SlotJob] = field(default_factory=list)  # replaced by what was placed

    def place(self, new: SlotJob, overlap: Overlap) -> Taken:
        """Find the place of a new question; it is appended where it is to be kept as a job of its own."""
        staying = [one for one in self.jobs if not one.wish]
        same = next((one for one in staying if one.content_hash == new.content_hash), None)
        if same is not None:
            return Taken(new.id, "extended" if same.join(new) else "duplicate", same.id)
        begun = [one for one in staying if one.begun]
        if overlap == "extend" and begun:
            begun[-1].join(new)
            return Taken(new.id, "extended", begun[-1].id)
        outcome: Outcome = "queued"
        for older in list(staying):
            if not older.begun:
                self._replace(older, new)
                outcome = "superseded_older"
            elif overlap == "supersede" and older.share < SUPERSEDE_BELOW:
                self._stop(older, new)
                outcome = "superseded_older"
        self.jobs.append(new)
        return Taken(new.id, outcome, new.id)

    def _replace(self, older: SlotJob, new: SlotJob) -> None:
        """Put the newer in the older's place in the queue, with what it owes to those who asked before."""
        new.reasons = join_reasons(older.reasons, new.reasons)
        new.deadline = earliest(older.deadline, new.deadline)
        new.priority, new.rank = min(older.priority, new.priority), min(older.rank, new.rank)
        new.asked_at = older.asked_at
        self._end(older, new)

    def _stop(self, older: SlotJob, new: SlotJob) -> None:
        """Tell who runs it to stop; end it at once where nobody does."""
        if older.state == "running":
            older.wish, older.superseded_by, older.changed = "supersede", new.id, True
            return
        self._end(older, new)

    def _end(self, older: SlotJob, new: SlotJob) -> None:
        older.state, older.superseded_by, older.changed = "superseded", new.id, True
        self.jobs.remove(older)
        self.ended.append(older)


def join_reasons(older: list[str], newer: list[str]) -> list[str]:
    """Unite reasons, each once, the first MOST_REASONS.

    Examples
    --------
    >>> join_reasons(["growth slows"], ["asked by QA", "growth slows"])
    ['growth slows', 'asked by QA']
    """
    return list(dict.fromkeys([*older, *newer]))[:MOST_REASONS]


def earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    """Give the earlier deadline; None is none."""
    return min((at for at in (one, other) if at is not None), default=None)
