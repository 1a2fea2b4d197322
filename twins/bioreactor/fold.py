"""Fold one minute into the belief, for many twins at once: the one place where state changes.

The live path, the provisional estimate and a refold after a late fact all come here, so they cannot differ.
Within a minute the convention is: batch start, inoculation, calibration or change of the probe, adoption of what was
re-estimated, feed (dilutes), mean reading (not after an inoculation or a change of the probe, nor of one that is not
trusted), assays, sample (takes mass and volume), then phase, hold, trust and batch end. It is a convention because one
minute's facts carry no finer order that late arrival could not break.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from schemas.instants import HOUR, MINUTE
from twins.bioreactor import filter as ekf
from twins.bioreactor.parameters import assumed_growth as p
from twins.bioreactor.parameters.assumed_growth import DEFAULTS, INDEX
from twins.bioreactor.rows import (
    ADOPTED,
    DISTRUSTED,
    END,
    EXCHANGED,
    FEED,
    FIXED,
    GREATEST,
    HELD,
    INOCULATED,
    LARGEST_VOLUME,
    LEAST,
    NANOLITRES,
    NO_ITEMS,
    PHASE,
    PROBE,
    RESUMED,
    RETAINED,
    SAMPLE,
    START,
    TIMES,
    TOTAL,
    TRUSTED,
    Batch,
    Change,
    Ints,
    Items,
    N,
)

if TYPE_CHECKING:  # what these are made of loads only where they are asked for
    from twins.bioreactor.charting import Charting
    from twins.bioreactor.process import Process
    from twins.bioreactor.reconciling import Reconciling

NANOHOURS = 1.0 / HOUR
SIGNAL = "biomass"  # the tag that is folded


@dataclass(frozen=True, slots=True)
class Beside:
    """What is folded beside the growth filter, where the configuration asks for it; `trust`: probes may lose it."""

    charting: Charting | None = None
    process: Process | None = None
    reconciling: Reconciling | None = None
    trust: bool = False


NOTHING_BESIDE = Beside()


@dataclass(slots=True)
class Beliefs:
    """What is believed of n twins: floats (13, n), integers (6, n), what is known of each run; what charts remember
    and what is believed of the process model and of reconciled probes, (width, n) each, None where there are none."""

    f: NDArray[np.float64]
    i: Ints
    batches: list[Batch]
    c: NDArray[np.float64] | None = None
    m: NDArray[np.float64] | None = None
    r: NDArray[np.float64] | None = None

    def copy_of(self, columns: Sequence[int] | Ints) -> Beliefs:
        """Give the beliefs of some twins as their own contiguous arrays."""
        where = np.asarray(columns, dtype=np.int64)
        return Beliefs(
            np.ascontiguousarray(self.f[:, where]),
            np.ascontiguousarray(self.i[:, where]),
            [self.batches[j] for j in where.tolist()],
            None if self.c is None else np.ascontiguousarray(self.c[:, where]),
            None if self.m is None else np.ascontiguousarray(self.m[:, where]),
            None if self.r is None else np.ascontiguousarray(self.r[:, where]),
        )


def side_by_side(some: Sequence[Beliefs]) -> Beliefs:
    """Join the beliefs of twins that were copied out one by one; all have charts and a process model, or none has."""
    return Beliefs(
        np.concatenate([one.f for one in some], axis=1),
        np.concatenate([one.i for one in some], axis=1),
        [batch for one in some for batch in one.batches],
        _joined([one.c for one in some]),
        _joined([one.m for one in some]),
        _joined([one.r for one in some]),
    )


def _joined(some: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    there = [one for one in some if one is not None]
    return np.concatenate(there, axis=1) if there else None


class ParameterTable:
    """Every distinct set of parameters in use, each once, as rows of one array."""

    def __init__(self, configured: dict[str, float]) -> None:
        base = list(DEFAULTS)
        for name, value in configured.items():
            base[INDEX[name]] = value
        self._base = tuple(base)
        self._index: dict[tuple[tuple[str, float], ...], int] = {}
        self._rows: list[tuple[float, ...]] = []
        self._array = np.empty((0, len(base)))
        self.index_of(())

    def __len__(self) -> int:
        return len(self._rows)

    def index_of(self, overrides: tuple[tuple[str, float], ...]) -> int:
        """Give the row of these overrides, adding it where it is new."""
        place = self._index.get(overrides)
        if place is None:
            values = list(self._base)
            for name, value in overrides:
                if name in INDEX:  # what is not is the process model's (`priors`)
                    values[INDEX[name]] = value
            place = self._index[overrides] = len(self._rows)
            self._rows.append(tuple(values))
        return place

    def keep(self, used: set[tuple[tuple[str, float], ...]]) -> None:
        """Forget all but these; rows are numbered anew."""
        self._index, self._rows, self._array = {}, [], np.empty((0, len(self._base)))
        for overrides in ((), *sorted(used)):
            self.index_of(overrides)

    def value(self, overrides: tuple[tuple[str, float], ...], place: int) -> float:
        """Give one parameter of these overrides."""
        return self._rows[self.index_of(overrides)][place]

    def gather(self, places: NDArray[np.int64] | Sequence[int]) -> NDArray[np.float64]:
        """Give the parameters of some twins, shape (16, n), contiguous."""
        if len(self._array) < len(self._rows):
            self._array = np.array(self._rows, dtype=np.float64)
        return np.ascontiguousarray(self._array[np.asarray(places, dtype=np.int64)].T)


def prior(table: ParameterTable, beside: Beside = NOTHING_BESIDE) -> Beliefs:
    """Give the belief about one twin that nothing was said of: a run without a name, nothing known."""
    beliefs = Beliefs(np.zeros((ekf.FLOATS, 1)), np.zeros((ekf.INTEGERS, 1), dtype=np.int64), [Batch()])
    ekf.start(beliefs.f, beliefs.i, 0, table.gather([0]), initial_volume(table, ()))
    if beside.charting is not None:
        beliefs.c = beside.charting.beginning.copy()
    if beside.process is not None:
        beliefs.m = beside.process.beginning.copy()
    if beside.reconciling is not None:
        beliefs.r = beside.reconciling.beginning.copy()
    return beliefs


def initial_volume(table: ParameterTable, overrides: tuple[tuple[str, float], ...]) -> int:
    """Give the volume a run begins with where nobody said it [nL]."""
    return max(1, round(table.value(overrides, p.INITIAL_VOLUME) * NANOLITRES))


def fold_minutes(
    beliefs: Beliefs,
    k: NDArray[np.float64],
    minutes: Ints,
    buckets: Ints,
    items: Sequence[Items],
    table: ParameterTable,
    beside: Beside = NOTHING_BESIDE,
) -> list[int]:
    """Fold one row into each of n twins, in place.

    Parameters
    ----------
    beliefs : Beliefs
        Of n twins, contiguous.
    k : array, shape (16, n)
        Their parameters; changed in place where a batch starts.
    minutes : array of int64, shape (n,)
        Which minute each row is.
    buckets : array of int64, shape (7, n)
        The rows' numbers.
    items : sequence of Items, length n
        The rows' other things.
    table : ParameterTable
        Where a starting batch's parameters are looked up.
    beside : Beside
        What `beliefs.c` and `beliefs.m` are of. A provisional fold leaves the charts out.

    Returns
    -------
    list of int
        The twins whose `Batch` changed.
    """
    f, i = beliefs.f, beliefs.i
    changing = [j for j, one in enumerate(items) if one is not NO_ITEMS and one.changes]
    mixed = [j for j in changing if _begin(beliefs, k, j, int(minutes[j]), items[j].changes, table, beside)]
    running = i[ekf.RUNNING] > 0
    if beside.process is not None and beliefs.m is not None:
        beside.process.feed(beliefs.m, minutes, i[ekf.VOLUME] / NANOLITRES, np.where(running, buckets[FEED], 0))
    _feed(f, i, buckets[FEED], running)
    listening = running.copy()
    listening[mixed] = False
    if beside.trust:
        listening[_distrusting(beliefs.batches, items, changing)] = False
    _read(beliefs, k, minutes, buckets, listening, beside)
    assayed = [j for j, one in enumerate(items) if one is not NO_ITEMS and one.assays]
    if assayed:
        _assay(beliefs, k, assayed, items)
        _assay_process(beliefs, assayed, items, beside.process)
    if beside.reconciling is not None and beliefs.r is not None:
        for j in sorted({*changing, *assayed}):
            beside.reconciling.take(beliefs.r, j, items[j], bool(running[j]))
    taken = np.where(running, buckets[SAMPLE], 0)
    i[ekf.VOLUME] = np.maximum(i[ekf.VOLUME] - taken, 1)
    for j in changing:
        before = beliefs.batches[j]
        beliefs.batches[j], i[ekf.RUNNING, j] = apply_changes(before, bool(i[ekf.RUNNING, j]), items[j].changes)
        if beside.process is not None and beliefs.m is not None and i[ekf.RUNNING, j]:
            entered = max((one.event_time for one in items[j].changes if one.order == PHASE), default=0)
            litres = float(i[ekf.VOLUME, j] / NANOLITRES)
            beside.process.enter(beliefs.m, j, entered, litres, beliefs.batches[j].phase)
    return changing


def apply_changes(batch: Batch, running: bool, changes: Sequence[Change]) -> tuple[Batch, bool]:
    """Walk through a minute's changes in their order: what is known of the run after them."""
    for change in changes:
        if change.order == START:
            end = change.planned_end if change.planned_end >= 0 else None
            batch = Batch(change.batch, None, change.event_time, end, change.clock, change.parameters)
            running = True
        elif change.order == END and batch.batch in (None, change.batch):
            batch, running = replace(batch, held=None), False
        elif change.order == PHASE and (not change.batch or batch.batch in (None, change.batch)):
            batch = replace(batch, phase=change.name)
        elif change.order == PROBE and running:
            batch = replace(batch, gain_sd=change.gain_sd)
        elif change.order == INOCULATED and running:
            batch = replace(batch, inoculated=change.event_time)
        elif change.order == HELD and running:
            batch = replace(batch, held=change.name)
        elif change.order == RESUMED:
            batch = replace(batch, held=None)
        elif change.order in (DISTRUSTED, TRUSTED):
            others = {tag for tag in batch.distrusted if tag != change.name}
            now = others | {change.name} if change.order == DISTRUSTED else others
            batch = replace(batch, distrusted=tuple(sorted(now)))
    return batch, running


def _distrusting(batches: Sequence[Batch], items: Sequence[Items], changing: Sequence[int]) -> list[int]:
    """Name the twins whose biomass signal is not used: what was decided at the minute's end holds for all of it."""
    after = {j: apply_changes(batches[j], True, items[j].changes)[0] for j in changing}
    return [j for j, batch in enumerate(batches) if SIGNAL in after.get(j, batch).distrusted]


def _begin(
    beliefs: Beliefs, k: NDArray[np.float64], j: int, minute: int, changes: Sequence[Change], table: ParameterTable,
    beside: Beside,
) -> bool:  # fmt: skip
    """Set a twin to the prior where its minute holds a batch start; the last one counts. Then what came after it: cells
    went in, or the probe was calibrated or is another. Say whether one of these was: the minute's mean is then one of
    readings before and after it, which says nothing of either."""
    last = max((place for place, change in enumerate(changes) if change.order == START), default=-1)
    if last >= 0:
        start = changes[last]
        k[:, j] = table.gather([table.index_of(start.parameters)])[:, 0]
        volume = start.volume if start.volume > 0 else initial_volume(table, start.parameters)
        _begin_culture(beliefs, k, j, start.event_time, volume, start.parameters, None, beside)
    if not beliefs.i[ekf.RUNNING, j] > 0:
        return False
    mixed = False
    gain_sd = -1.0 if last >= 0 else beliefs.batches[j].gain_sd
    parameters = changes[last].parameters if last >= 0 else beliefs.batches[j].parameters
    for change in changes[last + 1 :]:
        if change.order == INOCULATED:
            held = int(beliefs.i[ekf.VOLUME, j])
            phase = None if last >= 0 else beliefs.batches[j].phase
            _begin_culture(beliefs, k, j, change.event_time, held, parameters, phase, beside)
        elif change.order == PROBE:
            gain_sd = change.gain_sd
        if change.order in (INOCULATED, PROBE):  # how well the probe was calibrated is known from before the cells
            _forget_probe(beliefs, k, j, minute * MINUTE, gain_sd, beside)
            mixed = True
        if change.order == EXCHANGED:
            _exchange(beliefs, j, minute * MINUTE, change, beside)
        if change.order == ADOPTED and beside.process is not None and beliefs.m is not None:
            litres = float(beliefs.i[ekf.VOLUME, j] / NANOLITRES)
            beside.process.adopt(beliefs.m, j, minute * MINUTE, litres, change.parameters)
    return mixed


def _begin_culture(
    beliefs: Beliefs, k: NDArray[np.float64], j: int, time: int, volume: int,
    parameters: tuple[tuple[str, float], ...], phase: str | None, beside: Beside,
) -> None:  # fmt: skip
    """Set a twin, its charts and its process model to what is known of a culture that begins."""
    ekf.start(beliefs.f, beliefs.i, j, k, volume)
    if beside.charting is not None and beliefs.c is not None:
        beside.charting.restart(beliefs.c, j)
    if beside.process is not None and beliefs.m is not None:
        beside.process.begin(beliefs.m, j, time, volume / NANOLITRES, phase, parameters)


def _forget_probe(
    beliefs: Beliefs, k: NDArray[np.float64], j: int, time: int, gain_sd: float, beside: Beside
) -> None:  # fmt: skip
    """Carry a twin to `time` and forget what was learned of its biomass probe; `gain_sd` below 0: as the prior's."""
    part = beliefs.copy_of([j])
    of = np.ascontiguousarray(k[:, j : j + 1])
    move(part.f, part.i, of, np.array([time]))
    part.i[ekf.TIME] = np.maximum(part.i[ekf.TIME], np.where(part.i[ekf.INITIALISED] > 0, time, 0))
    ekf.forget_gain(part.f, part.i, of, gain_sd)
    beliefs.f[:, j], beliefs.i[:, j] = part.f[:, 0], part.i[:, 0]
    if beside.charting is not None and beliefs.c is not None:
        beside.charting.restart(beliefs.c, j)
    if beside.process is not None and beliefs.m is not None:
        beside.process.forget_gain(beliefs.m, j, time, float(beliefs.i[ekf.VOLUME, j] / NANOLITRES), gain_sd)


def _exchange(beliefs: Beliefs, j: int, time: int, change: Change, beside: Beside) -> None:
    """Take liquid out of a twin's vessel and put as much fresh medium in: what stays behind is diluted by it."""
    held = int(beliefs.i[ekf.VOLUME, j])
    taken = min(change.volume, held - 1)  # a vessel never holds nothing
    retained = change.name == RETAINED
    if not retained:
        diluted = beliefs.f[ekf.LNX, j : j + 1] + np.log(np.array([(held - taken) / held]))
        beliefs.f[ekf.LNX, j] = np.maximum(diluted, -ekf.LN_LARGEST)[0]
    if beside.process is not None and beliefs.m is not None:
        litres = held / NANOLITRES, taken / NANOLITRES
        beside.process.exchange(beliefs.m, j, time, *litres, dict(change.parameters), retained)


def _feed(f: NDArray[np.float64], i: Ints, feed: Ints, running: NDArray[np.bool_]) -> None:
    added = np.where(running, feed, 0)
    before = i[ekf.VOLUME].copy()
    after = np.minimum(before + added, LARGEST_VOLUME)
    dilution = np.log(after / before)
    f[ekf.LNX] = np.where(added > 0, np.maximum(f[ekf.LNX] - dilution, -ekf.LN_LARGEST), f[ekf.LNX])
    i[ekf.VOLUME] = after


def _read(
    beliefs: Beliefs, k: NDArray[np.float64], minutes: Ints, buckets: Ints, running: NDArray[np.bool_],
    beside: Beside,
) -> None:  # fmt: skip
    """Take in the trimmed mean of a minute at the mean of its times."""
    f, i = beliefs.f, beliefs.i
    count = buckets[N]
    there = running & (count > 0)
    if not there.any():
        return
    trimmed = count >= 5
    left = np.where(trimmed, count - 2, np.maximum(count, 1))
    total = np.where(trimmed, buckets[TOTAL] - buckets[LEAST] - buckets[GREATEST], buckets[TOTAL])
    mean = total / (left * FIXED)
    time = minutes * MINUTE + buckets[TIMES] // np.maximum(count, 1)
    move(f, i, k, np.where(there, time, i[ekf.TIME]))
    judged = ekf.observe(f, i, mean, left.astype(np.float64), k, there, assay=False)
    if beside.charting is not None and beliefs.c is not None:
        beside.charting.step(beliefs.c, f, time, judged)
    if beside.process is not None and beliefs.m is not None:
        share = np.minimum(left, k[p.READINGS_EFFECTIVE])
        beside.process.signal(beliefs.m, time, i[ekf.VOLUME] / NANOLITRES, mean, share, there)
    i[ekf.TIME] = np.where(there, np.maximum(time, i[ekf.TIME]), i[ekf.TIME])


def _assay(beliefs: Beliefs, k: NDArray[np.float64], assayed: list[int], items: Sequence[Items]) -> None:
    """Take in assays one after the other, each at its sample's time, or at the minute's mean if that is later."""
    valid = {j: [one for one in items[j].assays if one.value is not None and one.tag == "biomass"] for j in assayed}
    for turn in range(max(len(some) for some in valid.values())):
        these = [j for j in assayed if turn < len(valid[j]) and beliefs.i[ekf.RUNNING, j] > 0]
        if not these:
            continue
        part = beliefs.copy_of(these)
        parameters = np.ascontiguousarray(k[:, these])
        time = np.array([valid[j][turn].event_time for j in these], dtype=np.int64)
        value = np.array([valid[j][turn].value for j in these], dtype=np.float64)
        move(part.f, part.i, parameters, time)
        ekf.observe(
            part.f, part.i, value, np.ones(len(these)), parameters, np.ones(len(these), dtype=np.bool_), assay=True
        )
        part.i[ekf.TIME] = np.maximum(time, part.i[ekf.TIME])
        beliefs.f[:, these] = part.f
        beliefs.i[:, these] = part.i


def _assay_process(beliefs: Beliefs, assayed: list[int], items: Sequence[Items], process: Process | None) -> None:
    """Let the process model take in assays of all tags, one after the other, each at its sample's time."""
    if process is None or beliefs.m is None:
        return
    running = beliefs.i[ekf.RUNNING] > 0
    for turn in range(max(len(items[j].assays) for j in assayed)):
        given = {j: items[j].assays[turn] for j in assayed if turn < len(items[j].assays) and running[j]}
        process.assays(beliefs.m, beliefs.i[ekf.VOLUME] / NANOLITRES, given)


def move(f: NDArray[np.float64], i: Ints, k: NDArray[np.float64], time: Ints) -> None:
    """Predict to a later time where there is something to predict; TIME itself is left to the caller."""
    hours = np.clip((time - i[ekf.TIME]) * NANOHOURS, 0.0, ekf.GAP_LONGEST_HOURS)
    ekf.predict(f, np.where(i[ekf.INITIALISED] > 0, hours, 0.0), k)
