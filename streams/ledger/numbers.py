"""Short numbers for twins and channel sets in the history tables: given out once, remembered here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from schemas.errors import LedgerError


class Numbers:
    """The numbers of one kind's twins, and of channel sets.

    Numbers learnt inside a transaction count only once it is durable: `forget` after a failure.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._twins: dict[str, int] = {}
        self._sets: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}

    def forget(self) -> None:
        """Drop all; the next round learns anew."""
        self._twins.clear()
        self._sets.clear()

    def unknown(self, keys: Sequence[str]) -> list[int]:
        """Give the places of keys that have no number here yet."""
        twins = self._twins
        return [place for place, key in enumerate(keys) if key not in twins]

    def learn(self, connection: psycopg.Connection[Any], keys: Mapping[str, int]) -> None:
        """Find or make the numbers of keys, given with their partitions."""
        new = [key for key in keys if key not in self._twins]
        if not new:
            return
        rows = connection.execute(
            "insert into twin (kind, key, partition) select %s, k, p from unnest(%s::text[], %s::int[]) as u(k, p)"
            " on conflict (kind, key) do nothing returning key, no",
            (self._kind, new, [keys[key] for key in new]),
        ).fetchall()
        rows += connection.execute(
            "select key, no from twin where kind = %s and key = any(%s)", (self._kind, new)
        ).fetchall()
        self._twins.update(rows)

    def recall(self, connection: psycopg.Connection[Any], keys: set[str]) -> None:
        """Find the numbers of keys that may be nobody's (a reject's key is not trusted to name a twin)."""
        unknown = [key.replace("\x00", "") for key in keys if key not in self._twins]
        if unknown:
            self._twins.update(
                connection.execute(
                    "select key, no from twin where kind = %s and key = any(%s)", (self._kind, unknown)
                ).fetchall()
            )

    def twin(self, key: str) -> int:
        """The number of a key that was learnt."""
        try:
            return self._twins[key]
        except KeyError:
            raise LedgerError(f"expected a number for twin {key!r}, it was never learnt") from None

    def known(self, key: str) -> int | None:
        """The number of a key, or None."""
        return self._twins.get(key)

    def of(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """The numbers of keys, in their order; 0, which is nobody's, where there is none."""
        twins = self._twins
        return np.array([twins.get(key, 0) for key in keys], dtype=np.int64)

    def channel_set(self, connection: psycopg.Connection[Any], tags: tuple[str, ...], units: tuple[str, ...]) -> int:
        """Find or make the number of a channel set."""
        number = self._sets.get((tags, units))
        if number is None:
            arguments = (list(tags), list(units))
            connection.execute(
                "insert into channel_set (tags, units) values (%s, %s) on conflict do nothing", arguments
            )
            row = connection.execute("select no from channel_set where tags = %s and units = %s", arguments).fetchone()
            if row is None:
                raise LedgerError(f"expected a number for channel set {tags}, found none")
            number = self._sets[tags, units] = int(row[0])
        return number
