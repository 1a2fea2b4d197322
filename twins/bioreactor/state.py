"""The state of a block as arrays: a twin is a row. What is here is the whole state; what is derived says so."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

from schemas.instants import MINUTE
from twins.alarming.limits import NO_BRIDGE
from twins.bioreactor import filter as ekf
from twins.bioreactor.answers import Answers
from twins.bioreactor.config import (
    BioreactorConfig,
    advising_of,
    charting_of,
    consequences_of,
    faulting_of,
    golden_of,
    learning_of,
    process_of,
    reconciling_of,
    rules_of,
    triggers_of,
)
from twins.bioreactor.fold import Beliefs, Beside, ParameterTable, apply_changes, prior
from twins.bioreactor.inputs import BIOMASS
from twins.bioreactor.process import assays_of
from twins.bioreactor.rows import BUCKET, EMPTY_BUCKET, NO_ITEMS, Batch, Items
from twins.bioreactor.rules import Rule

RING = 32  # hashes of a twin's last facts
MOST_COLUMNS = 64  # distinct (tag, unit) pairs whose newest values a block shows
MOST_TWINS = 250_000  # of one partition; about 180 MB
CLOCK = 32  # hashes of the last records without a key
NEVER = 1 << 62
# Of 10,000 twins each five minutes, so many begin together that numpy's own cost is shared; amid two of these instants,
# so that no forecast falls on the minute, when minutes are closed.
TOGETHER_MS = 10_000
# What is remembered of each rule that consequences name: standing (-1: never raised), when it cleared, the rule it is
# suppressed by, and the id of its newest raise.
LINK_STANDING, LINK_CLEARED, LINK_CAUSE, LINK_OFFSET, LINK_N = range(5)
LINK = 5
OFF, ON = 0, 1
# Whether all filters were consistent (-1: nothing was estimated yet), rejections in a row, and when [us].
CONSISTENT, REJECTED_RUN, AS_OF = range(3)
HEALTH = 3

# name: (dtype, width or None, fill). The order is that of the snapshot.
LAYOUT: dict[str, tuple[DTypeLike, int | None, int]] = {
    "f": (np.float64, ekf.FLOATS, 0),  # belief, folded up to the open minute
    "i": (np.int64, ekf.INTEGERS, 0),
    "bucket": (np.int64, BUCKET, 0),  # the open minute
    "heard": (np.int64, None, -1),  # greatest event time of an accepted fact [us]
    "ring": (np.int64, RING, 0),
    "ring_count": (np.int64, None, 0),  # accepted facts so far
    "ring_newer": (np.int64, None, -1),  # greatest event time in the current half of the ring
    "ring_older": (np.int64, None, -1),  # and in the half before
    "ring_floor": (np.int64, None, -1),  # no fact the ring has lost is later than this
    "estimated": (np.int64, None, -1),  # number of the newest estimate's slot
    "forecast": (np.int64, None, -1),
    "count": (np.int64, None, 0),  # records since the last estimate
    "first": (np.int64, None, -1),
    "last": (np.int64, None, -1),
    "dirty": (np.int64, None, NEVER),  # first minute that late readings changed and nobody refolded yet
    "biomass": (np.int64, None, -1),  # column of the biomass signal
    "health": (np.float64, HEALTH, -1),  # of the filters at the newest estimate
}


class State:
    """All twins of a block. Arrays have room to spare; the first `len(keys)` rows count."""

    f: NDArray[np.float64]
    i: NDArray[np.int64]
    bucket: NDArray[np.int64]
    heard: NDArray[np.int64]
    ring: NDArray[np.int64]
    ring_count: NDArray[np.int64]
    ring_newer: NDArray[np.int64]
    ring_older: NDArray[np.int64]
    ring_floor: NDArray[np.int64]
    estimated: NDArray[np.int64]
    forecast: NDArray[np.int64]
    count: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    dirty: NDArray[np.int64]
    biomass: NDArray[np.int64]
    health: NDArray[np.float64]

    def __init__(self, config: BioreactorConfig) -> None:
        self.rules = rules_of(config)
        self.table = ParameterTable(config.parameters)
        self.keys: list[str] = []
        self.index: dict[str, int] = {}
        self.batches: list[Batch] = []  # folded up to the open minute
        self.items: dict[int, Items] = {}  # of the open minute, where there are any
        self.columns: list[tuple[str, str]] = []
        self.column_of: dict[tuple[str, str], int] = {}
        self.clock: list[int] = []
        self.answers = Answers()  # of re-simulations
        self.marks_from = 0  # the offset of the newest change of what beliefs follow from; older marks do not count
        for name, (dtype, width, fill) in LAYOUT.items():
            setattr(self, name, _filled(0, width, dtype, fill))
        self.value = np.zeros((0, 0))  # (twin, column): newest by event time
        self.value_time = np.zeros((0, 0), dtype=np.int64)
        self.quality = np.zeros((0, 0), dtype=np.uint8)
        self.alert = np.zeros((0, len(self.rules)), dtype=np.uint8)  # (twin, rule): raised or not
        self.alert_offset = np.zeros((0, len(self.rules)), dtype=np.int64)  # where it was raised
        self.alert_n = np.zeros((0, len(self.rules)), dtype=np.int32)
        self.delayed = [rule for rule in self.rules if rule.kind == "measured" and rule.point >= 0]
        self.phased = [rule for rule in self.rules if rule.phases]
        points = sum(rule.point >= 0 for rule in self.rules)
        self.since = np.zeros((0, points), dtype=np.int64)  # (twin, rule that waits): since when it is to turn [us]
        self.seen = np.zeros((0, points), dtype=np.int64)  # and its newest reading since then
        # derived
        self.phase = np.zeros(0, dtype=np.int64)  # spreads the twins over a second, a minute, five [ms]
        self.parameters = np.zeros(0, dtype=np.int64)  # row of the table, of `batches`
        self.running = np.zeros(0, dtype=np.bool_)  # with the open minute
        self.wall = np.zeros(0, dtype=np.bool_)  # silence is judged by the wall's clock
        self.waits = np.zeros(0, dtype=np.bool_)  # time counts in a measured rule
        self.held = np.zeros(0, dtype=np.bool_)  # an alert is suppressed
        self.on_hold = np.zeros(0, dtype=np.bool_)  # the recipe is held
        self.out_of_phase = np.zeros((0, len(self.phased)), dtype=np.bool_)  # (twin, rule of some phases): not in one
        self.current: list[Batch] = []  # `batches` with the open minute
        self.charting = charting_of(config)
        self.process = process_of(config)
        self.advising = advising_of(config, self.process)
        self.triggering = triggers_of(config, self.process)
        self.reconciling = reconciling_of(config)
        self.faulting = faulting_of(config)
        self.learning = learning_of(config, self.process)  # with all that it has learned; advisory
        self.beside = Beside(self.charting, self.process, self.reconciling, self.faulting is not None)
        self.assayed = BIOMASS if self.process is None else assays_of(self.process)
        self.assayed |= frozenset() if self.reconciling is None else self.reconciling.assayed
        self.provisional = Beside(None, self.process, self.reconciling, self.faulting is not None)
        self._prior = prior(self.table, self.beside)
        width = 0 if self.charting is None else self.charting.width
        self.consequences = consequences_of(config)
        places = {rule.name: rule.index for rule in self.rules}
        self.linked = [places[name] for name in self.consequences.rules]  # causes before what follows from them
        self.links = np.zeros((0, LINK * len(self.linked)), dtype=np.int64)
        self.scoring = golden_of(config)
        self.golden = np.zeros((0, 0 if self.scoring is None else self.scoring.width))
        self.chart = np.zeros((0, width))  # what charts remember, folded as the belief is
        self.joint = np.zeros((0, 0 if self.process is None else self.process.width))  # and of the process model
        self.probes = np.zeros((0, 0 if self.reconciling is None else self.reconciling.width))
        self.trigger = np.zeros((0, 0 if self.triggering is None else self.triggering.width), dtype=np.int64)
        self.fault = np.zeros((0, 0 if self.faulting is None else self.faulting.width))  # and the fault detector
        unit = None if self.process is None else self.process.biomass_unit
        self.biomass_column = -1 if unit is None else self.column("biomass", unit)  # -1: whatever comes first

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: str) -> int:
        """Begin a twin that nothing is known of; give its row."""
        slot = len(self.keys)
        if slot >= len(self.heard):
            self.make_room(max(64, 2 * slot))
        self.enrol(key)
        self.f[slot] = self._prior.f[:, 0]
        self.i[slot] = self._prior.i[:, 0]
        if self._prior.c is not None:
            self.chart[slot] = self._prior.c[:, 0]
        if self._prior.m is not None:
            self.joint[slot] = self._prior.m[:, 0]
        if self._prior.r is not None:
            self.probes[slot] = self._prior.r[:, 0]
        self.biomass[slot] = self.biomass_column
        self.bucket[slot] = EMPTY_BUCKET
        self.batches.append(Batch())
        self.current.append(Batch())
        self.running[slot] = True
        self.wall[slot] = True
        self.out_of_phase[slot] = True
        return slot

    def enrol(self, key: str) -> None:
        """Note the next row's key and what follows from it."""
        slot = self.index[key] = len(self.keys)
        self.keys.append(key)
        self.phase[slot] = zlib.crc32(key.encode("utf-8", "surrogatepass"))

    def make_room(self, rows: int, columns: int | None = None) -> None:
        """Grow the arrays to so many rows (and columns of newest values)."""
        used = len(self.keys)
        for name, (dtype, width, fill) in LAYOUT.items():
            grown = _filled(rows, width, dtype, fill)
            grown[:used] = getattr(self, name)[:used]
            setattr(self, name, grown)
        wide = self.value.shape[1] if columns is None else columns
        for name, dtype, width, fill in (
            ("value", np.float64, wide, 0),
            ("value_time", np.int64, wide, -1),
            ("quality", np.uint8, wide, 0),
            ("alert", np.uint8, len(self.rules), OFF),
            ("alert_offset", np.int64, len(self.rules), -1),
            ("alert_n", np.int32, len(self.rules), -1),
            ("since", np.int64, self.since.shape[1], -1),
            ("seen", np.int64, self.seen.shape[1], -1),
            ("chart", np.float64, self.chart.shape[1], 0),
            ("links", np.int64, self.links.shape[1], -1),
            ("golden", np.float64, self.golden.shape[1], -2),  # a batch that started at no time: begin anew
            ("joint", np.float64, self.joint.shape[1], 0),
            ("probes", np.float64, self.probes.shape[1], 0),
            ("out_of_phase", np.bool_, len(self.phased), 0),
            ("trigger", np.int64, self.trigger.shape[1], -1),
            ("fault", np.float64, self.fault.shape[1], -2),  # a run that began at no time: begin anew
        ):
            old = getattr(self, name)
            grown = _filled(rows, width, dtype, fill)
            grown[:used, : old.shape[1]] = old[:used]
            setattr(self, name, grown)
        for name, dtype in (
            ("phase", np.int64), ("parameters", np.int64), ("running", np.bool_), ("wall", np.bool_),
            ("waits", np.bool_), ("held", np.bool_), ("on_hold", np.bool_),
        ):  # fmt: skip
            grown = np.zeros(rows, dtype=dtype)
            grown[:used] = getattr(self, name)[:used]
            setattr(self, name, grown)

    def column(self, tag: str, unit: str) -> int:
        """Give the column of a (tag, unit) pair, adding it; -1 where no more are shown."""
        place = self.column_of.get((tag, unit))
        if place is None:
            needed = tag == "biomass" or any(rule.tag == tag for rule in self.rules)
            needed |= self.scoring is not None and tag in self.scoring.needs
            needed |= self.faulting is not None and tag in self.faulting.mapping.needs
            if len(self.columns) >= MOST_COLUMNS and not needed:
                return -1
            place = self.column_of[(tag, unit)] = len(self.columns)
            self.columns.append((tag, unit))
            if place >= self.value.shape[1]:
                self.make_room(len(self.heard), max(8, 2 * place))
        return place

    def turns_of(self, name: str, slots: NDArray[np.int64], times: NDArray[np.int64], period: int) -> NDArray[np.int64]:
        """Number the periods [us] of estimates or forecasts that instants fall into; each twin has its own phase.

        A process model's forecasts begin together for some of them: a few cost as much as a hundred.
        """
        phase = self.phase[slots] % (period // 1000)
        if name == "forecast" and self.process is not None:
            phase += TOGETHER_MS // 2 - phase % TOGETHER_MS
        return (times + phase * 1000) // period

    def open_minute(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the minute that is open for each twin, -1 where none is: that of the greatest event time."""
        return self.heard[slots] // MINUTE

    def beliefs(self, slots: NDArray[np.int64]) -> Beliefs:
        """Copy the folded belief of some twins out, contiguous."""
        return Beliefs(
            np.ascontiguousarray(self.f[slots].T),
            np.ascontiguousarray(self.i[slots].T),
            [self.batches[slot] for slot in slots.tolist()],
            None if self.charting is None else np.ascontiguousarray(self.chart[slots].T),
            None if self.process is None else np.ascontiguousarray(self.joint[slots].T),
            None if self.reconciling is None else np.ascontiguousarray(self.probes[slots].T),
        )

    def keep(self, slots: NDArray[np.int64], beliefs: Beliefs, changed: Sequence[int]) -> None:
        """Write beliefs back; `changed` names the columns whose batch is another now."""
        self.f[slots] = beliefs.f.T
        self.i[slots] = beliefs.i.T
        if beliefs.c is not None:
            self.chart[slots] = beliefs.c.T
        if beliefs.m is not None:
            self.joint[slots] = beliefs.m.T
        if beliefs.r is not None:
            self.probes[slots] = beliefs.r.T
        for j in changed:
            slot = int(slots[j])
            self.batches[slot] = beliefs.batches[j]
            self.parameters[slot] = self.table.index_of(beliefs.batches[j].parameters)

    def refresh(self, slot: int) -> None:
        """Derive anew what follows from the folded belief and the open minute."""
        items = self.items.get(slot, NO_ITEMS)
        batch, running = apply_changes(self.batches[slot], bool(self.i[slot, ekf.RUNNING]), items.changes)
        self.current[slot] = batch
        self.running[slot] = running
        self.wall[slot] = batch.clock == "wall"
        self.on_hold[slot] = batch.held is not None
        for place, rule in enumerate(self.phased):
            self.out_of_phase[slot, place] = batch.phase not in rule.phases

    def ended(self, rule: Rule, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say for which twins a rule of some phases does not hold: their run is in none of them."""
        out: NDArray[np.bool_] = self.out_of_phase[slots, self.phased.index(rule)]
        return out

    def open_row(self, slots: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[Items]]:
        """Give the open minutes' numbers (7, n) and items."""
        buckets = np.ascontiguousarray(self.bucket[slots].T)
        if not self.items:
            return buckets, [NO_ITEMS] * len(slots)
        return buckets, [self.items.get(slot, NO_ITEMS) for slot in slots.tolist()]

    def waits_on(self, rule: Rule, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say for which twins time counts in a rule: it is about to turn, or raised and a silence would tell."""
        waits: NDArray[np.bool_] = self.since[slots, rule.point] >= 0
        return waits if rule.bridge == NO_BRIDGE else waits | (self.alert[slots, rule.index] > 0)

    def waits_of(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say for which twins time counts in any measured rule."""
        waits = np.zeros(len(slots), dtype=np.bool_)
        for rule in self.delayed:
            waits |= self.waits_on(rule, slots)
        return waits

    def held_of(self, slots: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which twins have an alert that is suppressed."""
        links = self.links[slots].reshape(len(slots), len(self.linked), LINK)
        return np.asarray(((links[:, :, LINK_STANDING] > 0) & (links[:, :, LINK_CAUSE] >= 0)).any(axis=1))

    def link(self, slot: int, rule: int, offset: int, n: int) -> None:
        """Note where the newest alert of a rule was raised, if consequences name the rule."""
        if rule in self.linked:
            at = LINK * self.linked.index(rule)
            self.links[slot, at + LINK_OFFSET], self.links[slot, at + LINK_N] = offset, n

    def link_of(self, slot: int, rule: int) -> tuple[int, int]:
        """Give where the newest alert of a rule that consequences name was raised."""
        at = LINK * self.linked.index(rule)
        return int(self.links[slot, at + LINK_OFFSET]), int(self.links[slot, at + LINK_N])

    def forget_delays(self, slot: int) -> None:
        """Let all rules of a twin begin anew, once their alerts are cleared."""
        self.since[slot] = self.seen[slot] = -1
        self.waits[slot] = False

    def forget_delay(self, slot: int, rule: Rule) -> None:
        """Let one rule of a twin begin anew, while its alert is off."""
        if rule.point >= 0:
            self.since[slot, rule.point] = self.seen[slot, rule.point] = -1
            self.waits[slot] = self.waits_of(np.array([slot]))[0]

    def compact(self) -> None:
        """Forget parameter sets that no twin uses any more."""
        if len(self.table) > 2 * len(self.keys) + 1024:
            self.table.keep({batch.parameters for batch in self.batches})
            for slot, batch in enumerate(self.batches):
                self.parameters[slot] = self.table.index_of(batch.parameters)


def _filled(rows: int, width: int | None, dtype: DTypeLike, fill: int) -> NDArray[np.generic]:
    return np.full(rows if width is None else (rows, width), fill, dtype=dtype)
