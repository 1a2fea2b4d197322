"""How far a run stands from good ones, scored with each estimate by `twins.monitoring`, and the two alerts on it.

A batch model is told how far the run is by the hours since its batch started, or by its maturity tag, and scores a
run when it reaches a new point of the model's grid; a continuous one scores each time. Values are the newest by event
time, as limits take them: a score that was said is not taken back when a late fact comes. What a twin needs between
scores is a row of floats; it begins anew when the twin's batch started at another time.

Source
------
`twins.monitoring.so_far` and `twins.monitoring.continuous` name theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SettingsError
from schemas.instants import HOUR, MINUTE
from twins.alarming import delays
from twins.alarming.delays import RAISED, SEEN, SINCE, Points
from twins.bioreactor.rows import Batch
from twins.bioreactor.rules import Rule
from twins.bioreactor.sections import GoldenBatch
from twins.bioreactor.state import State
from twins.frame import BAD
from twins.monitoring.batch import BatchModel
from twins.monitoring.contributions import largest
from twins.monitoring.golden import model_name, read_golden
from twins.monitoring.scores import Scores
from twins.monitoring.scoring import score
from twins.monitoring.so_far import SoFar

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
ELAPSED = "elapsed_hours"  # the tag of a model that is hours since the run began

STARTED, POINT, MATURITY = range(3)  # first floats of a row; then trimmed scores, last values, and when they were
NOT_STARTED = -1.0

Data = dict[str, Any]  # Any: goes straight to JSON


@dataclass(frozen=True, slots=True)
class Standing:
    """One alert that turns: `value` against `limit`, and what that means."""

    place: int  # among the twins that were scored
    rule: Rule
    raised: bool
    value: float
    limit: float
    message: str


class GoldenScoring:
    """The golden model of a configuration: constants only."""

    def __init__(self, config: GoldenBatch) -> None:
        self._golden = read_golden(msgspec.json.encode(config.model), "golden.model of the configuration")
        self._model = self._golden.model
        self._alignment = self._golden.alignment
        if self._alignment is not None and self._alignment.kind == "dtw":
            raise SettingsError(
                "expected a golden model aligned by elapsed time or by a maturity tag, received dtw, which is not "
                "scored live; fit it with --align elapsed or maturity:TAG"
            )
        self._name = model_name(self._golden)
        self._top, self._stale = config.top, round(config.stale_minutes * MINUTE)
        self.tags: tuple[str, ...] = self._model.tags
        self.needs = frozenset(self.tags) | {None if self._alignment is None else self._alignment.tag}
        self.width = 1
        if isinstance(self._model, BatchModel):
            j, a = len(self.tags), self._model.components
            self.width = 3 + j * a + 2 * j

    def score(
        self, state: State, slots: Ints, times: Ints, batches: Sequence[Batch]
    ) -> tuple[list[Data | None], list[Standing]]:
        """Score n running twins at `times`; what is remembered of them is changed.

        Returns
        -------
        list of (dict or None)
            What the estimate says of each; None where there is nothing new to say.
        list of Standing
            The alerts that turn.
        """
        started = np.array([NOT_STARTED if one.started is None else one.started for one in batches])
        rows: Floats = state.golden[slots]
        fresh = rows[:, STARTED] != started
        rows[fresh] = self._beginning()
        rows[:, STARTED] = started
        hours = np.where(started >= 0, (times - started) / HOUR, np.nan)
        values = np.stack([self._newest(state, slots, times, started, tag, hours) for tag in self.tags], axis=1)
        maturity = self._maturity(state, slots, times, started, hours)
        scored = score(self._golden, maturity, values, self._so_far(rows))
        if scored.so_far is not None:
            self._keep(rows, scored.so_far)
        state.golden[slots] = np.where(np.isnan(rows), np.nan, rows)  # one form of what is no number
        known = np.isfinite(scored.scores.t2) & (started >= 0)
        data = [
            self._data(scored.scores, j, float(maturity[j])) if one else None for j, one in enumerate(known.tolist())
        ]
        return data, self._turns(state, slots, times, scored.scores, known)

    def _newest(self, state: State, slots: Ints, times: Ints, started: Floats, tag: str, hours: Floats) -> Floats:
        """Give the newest value of a tag in this run, NaN where it is bad, too old, or none came."""
        if tag == ELAPSED:
            return hours
        columns = [place for place, (name, _) in enumerate(state.columns) if name == tag]
        value, newest = np.full(len(slots), np.nan), np.full(len(slots), -1, dtype=np.int64)
        for column in columns:
            at = state.value_time[slots, column]
            newer = at > newest
            newest = np.where(newer, at, newest)
            good = state.quality[slots, column] != BAD
            value = np.where(newer, np.where(good, state.value[slots, column], np.nan), value)
        return np.where((newest >= started) & (times - newest <= self._stale), value, np.nan)

    def _maturity(self, state: State, slots: Ints, times: Ints, started: Floats, hours: Floats) -> Floats:
        if self._alignment is None:
            return np.zeros(len(slots))
        if self._alignment.kind == "elapsed":
            return np.clip(hours / self._alignment.duration_hours, 0.0, 1.0)
        assert self._alignment.tag is not None  # of kind `maturity`
        return self._newest(state, slots, times, started, self._alignment.tag, hours)

    def _beginning(self) -> Floats:
        row = np.full(self.width, np.nan)
        row[STARTED] = NOT_STARTED
        if self.width > 1:
            assert isinstance(self._model, BatchModel)
            row[POINT], row[MATURITY] = -1.0, -np.inf
            row[3 : 3 + len(self.tags) * self._model.components] = 0.0
        return row

    def _so_far(self, rows: Floats) -> SoFar | None:
        if not isinstance(self._model, BatchModel):
            return None
        n, j, a = len(rows), len(self.tags), self._model.components
        trimmed, last, last_at = np.split(rows[:, 3:], [j * a, j * a + j], axis=1)
        return SoFar(
            rows[:, POINT].astype(np.int64), trimmed.reshape(n, j, a).copy(), rows[:, MATURITY].copy(), last.copy(),
            last_at.copy(),
        )  # fmt: skip

    def _keep(self, rows: Floats, so_far: SoFar) -> None:
        rows[:, POINT], rows[:, MATURITY] = so_far.point, so_far.maturity
        rows[:, 3:] = np.concatenate([so_far.trimmed.reshape(len(rows), -1), so_far.last, so_far.last_at], axis=1)

    def _data(self, scores: Scores, j: int, maturity: float) -> Data:
        spe = float(scores.spe[j])
        return {
            "model": self._name,
            "maturity": None if self._alignment is None or not np.isfinite(maturity) else maturity,
            "t2": float(scores.t2[j]),
            "t2_limit": float(scores.t2_limit[j]),
            "t2_contributions": largest(scores.t2_contributions[j], self.tags, self._top),
            "spe": spe if np.isfinite(spe) else None,
            "spe_limit": float(scores.spe_limit[j]),
            "spe_contributions": largest(scores.spe_contributions[j], self.tags, self._top),
        }

    def _turns(
        self, state: State, slots: Ints, times: Ints, scores: Scores, known: NDArray[np.bool_]
    ) -> list[Standing]:
        turns: list[Standing] = []
        for rule in state.rules:
            if rule.kind != "golden":
                continue
            of = rule.name.rpartition(".")[2]
            value, limit = getattr(scores, of), getattr(scores, f"{of}_limit")
            there = known & np.isfinite(value) & (limit > 0)
            share = np.where(there, value / np.where(there, limit, 1.0), np.nan)
            n = len(slots)
            points = Points(
                np.ones(n), np.ones(n), np.ones(n, dtype=np.bool_), np.full(n, rule.on_delay),
                np.full(n, rule.off_delay), np.full(n, rule.bridge),
            )  # fmt: skip
            held = np.stack([state.alert[slots, rule.index] > 0, state.since[slots, rule.point],
                             state.seen[slots, rule.point]])  # fmt: skip
            after, turned = delays.step(points, held, times, share, there)
            state.alert[slots, rule.index] = after[RAISED]
            state.since[slots, rule.point], state.seen[slots, rule.point] = after[SINCE], after[SEEN]
            for j in np.nonzero(turned)[0].tolist():
                raised, parts = bool(turned[j] > 0), getattr(scores, f"{of}_contributions")[j]
                message = self._message(of, raised, float(value[j]), float(limit[j]), parts)
                turns.append(Standing(j, rule, raised, float(value[j]), float(limit[j]), message))
        return turns

    def _message(self, of: str, raised: bool, value: float, limit: float, parts: Floats) -> str:
        name = of.upper()
        if not raised:
            return f"the run is back among the good ones ({name} {value:.3g}, limit {limit:.3g})"
        what = (
            "the run is further from the middle of the good runs than they are"
            if of == "t2"
            else "tags of the run do not go together as they do in the good runs"
        )
        first = ", ".join(largest(parts, self.tags, max(1, self._top)))
        return f"{what} ({name} {value:.3g}, limit {limit:.3g}); look first at {first}"
