"""The steps of subjects as columns: one row a fact, added in the order of arrival, never taken away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas import enrollment as e
from schemas.errors import SnapshotError

# The steps of a subject, in the order in which they are usually taken.
STEPS: dict[type[e.SubjectStep], str] = {
    e.SubjectPrescreened: "prescreened",
    e.SubjectConsented: "consented",
    e.SubjectScreened: "screened",
    e.ScreenFailed: "failed",
    e.SubjectEnrolled: "enrolled",
    e.SubjectRandomised: "randomised",
    e.SubjectWithdrawn: "withdrawn",
    e.SubjectCompleted: "completed",
    e.SubjectLost: "lost",
    e.EventObserved: "event",
    e.VisitDone: "visit",
}
NAMES = tuple(STEPS.values())
CODE = {name: code for code, name in enumerate(NAMES)}
_CODE_OF = {struct: CODE[name] for struct, name in STEPS.items()}

COLUMNS: dict[str, str] = {
    "hash": "<i8",
    "time": "<i8",
    "recorded": "<i8",
    "subject": "<i4",
    "site": "<i4",
    "word": "<i4",  # a stratum, a reason of failure or a visit, by its step; -1 for none
    "stratum": "<i4",
    "step": "<u1",
}


def _word(data: e.SubjectStep) -> str | None:
    if isinstance(data, e.ScreenFailed):
        return data.reason
    return data.visit if isinstance(data, e.VisitDone) else None


class Names:
    """Names by the number that stands for them, in the order in which they came."""

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.all = list(names)
        self._number = {name: number for number, name in enumerate(self.all)}

    def number(self, name: str | None) -> int:
        """Give a name's number; -1 for no name."""
        if name is None:
            return -1
        number = self._number.get(name)
        if number is None:
            number = self._number[name] = len(self.all)
            self.all.append(name)
        return number


class StepFacts:
    """The facts about subjects of one study. `rows` gives the columns, each of shape (n,); times in us."""

    def __init__(self) -> None:
        self.subjects, self.sites, self.words, self.strata = Names(), Names(), Names(), Names()
        self._columns = {name: np.zeros(64, dtype=dtype) for name, dtype in COLUMNS.items()}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, number: int, time: int, recorded: int, data: e.SubjectStep) -> None:
        """Add a fact by the hash of its name."""
        place = self._count
        if place == len(self._columns["hash"]):
            self._columns = {
                name: np.concatenate([column, np.zeros_like(column)]) for name, column in self._columns.items()
            }
        self._count += 1
        word = (
            data.reason if isinstance(data, e.ScreenFailed) else data.visit if isinstance(data, e.VisitDone) else None
        )
        values = (
            number, time, recorded, self.subjects.number(data.subject), self.sites.number(data.site),
            self.words.number(word), self.strata.number(data.stratum), _CODE_OF[type(data)],
        )  # fmt: skip
        for column, value in zip(self._columns.values(), values, strict=True):
            column[place] = value

    def rows(self) -> dict[str, NDArray[np.int64]]:
        """Give the columns as whole numbers, without room to spare."""
        return {name: column[: self._count].astype(np.int64, copy=False) for name, column in self._columns.items()}

    def write(self) -> tuple[int, list[list[str]], bytes]:
        """Give all as plain data."""
        names = [one.all for one in (self.subjects, self.sites, self.words, self.strata)]
        return self._count, names, b"".join(column[: self._count].tobytes() for column in self._columns.values())

    @classmethod
    def read(cls, count: int, names: Sequence[Sequence[str]], body: bytes) -> StepFacts:
        """Take back what `write` gave.

        Raises
        ------
        SnapshotError
            If the bytes are cut short.
        """
        sizes = [np.dtype(dtype).itemsize * count for dtype in COLUMNS.values()]
        if len(names) != 4 or len(body) != sum(sizes) or count < 0:
            raise SnapshotError(f"expected {sum(sizes)} bytes of {count} facts, received {len(body)}")
        facts = cls()
        facts.subjects, facts.sites, facts.words, facts.strata = (Names(one) for one in names)
        room = max(64, count)
        at = 0
        for (name, dtype), size in zip(COLUMNS.items(), sizes, strict=True):
            column = np.zeros(room, dtype=dtype)
            column[:count] = np.frombuffer(body, dtype=dtype, count=count, offset=at)
            facts._columns[name] = column
            at += size
        facts._count = count
        return facts
