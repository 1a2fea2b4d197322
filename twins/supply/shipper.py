"""A box's twin: how long it stays cold, how warm its payload is, and whom to warn before it arrives.

Its facts are a set (`kept.py`). A trip begins when the box is packed and ends when it is opened or packed anew; what a
trip taught of the box is the prior of the next. The rows of the newest trip are folded as they come, and folded again
where a fact that frames the trip changes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from schemas import supply as s
from schemas.errors import InputError, InvalidFieldError, SettingsError, SnapshotError
from schemas.instants import HOUR, MINUTE, SECOND, format_instant, parse_instant
from twins.frame import Fact
from twins.scalar import Said, Step
from twins.supply import temperature as t
from twins.supply.alerting import Raised, Wish, speak
from twins.supply.config import BoxModel, SupplyConfig, ThermalDose
from twins.supply.kept import Kept, Row
from twins.supply.sensed import sensed

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
TRANSIT_POINTS = 41  # evenly spaced quantiles of the time that a box is still on its way
DEFAULT_FILL_SD = 0.05  # of a full box, where nobody weighed it (assumed)
_Z95 = 1.6448536269514722  # 95 % quantile of the normal distribution
_ROWS = (s.ShipperLogged, s.ShipperTipped, s.ShipperWeighed, s.EpcisEvent)
_FRAMES = (s.ShipperPacked, s.ShipperOpened, s.ShipperQualified, s.FactWithdrawn)


class Trip(NamedTuple):
    """One trip: what packed it, until when its rows count [us], whether it is over, how its box was last qualified."""

    packed: Row
    after: int
    over: bool
    qualified: Row | None = None

    @property
    def hold_hours(self) -> float:
        """Hours that the box holds, full and upright: the shorter of what its packing and its qualification say."""
        packed: s.ShipperPacked = self.packed.data
        told = None if self.qualified is None else self.qualified.data.hold_hours
        return packed.hold_hours if told is None else min(packed.hold_hours, told)

    @property
    def qualified_until(self) -> str | None:
        """Until when the box may travel: the earlier of what its packing and its qualification say."""
        until = None if self.qualified is None else self.qualified.data.until
        said = [one for one in (self.packed.data.qualified_until, until) if one is not None]
        return min(said, key=parse_instant, default=None)


class Talk(Struct):
    """What was said last, and what stands. Times in us; -1 for never."""

    estimate: int = -1
    told: int = -1  # the newest time that a patient was told of
    patient: str = ""  # who was told
    units: tuple[str, ...] = ()
    warning: t.WarmWarning = t.WarmWarning()
    grade: Literal["", "watched", "warned"] = ""
    raised: Raised = {}


@dataclass(slots=True)
class ShipperState:
    """One box: its facts, what was said of them, and the newest trip as it is folded so far."""

    key: str
    kept: Kept = field(default_factory=Kept)
    talk: Talk = field(default_factory=Talk)
    folding: Folding | None = None


@dataclass(slots=True)
class Folding:
    """The newest trip, its laws and their states."""

    trip: Trip
    hold: t.Hold
    laws: t.Together
    folded: t.Folded[Any]  # Any: a tuple of the laws' states
    refused: int = 0

    def add(self, row: Row) -> bool:
        """Fold one fact's rows, those of the trip alone. False: some are of the time before it."""
        instants, kinds, values = _rows_of(row, self.trip.packed.data.capacity_kg)
        inside = [self.trip.packed.time <= one < self.trip.after for one in instants]
        pick = [place for place, yes in enumerate(inside) if yes]
        self.folded, refused = t.fold(
            self.laws, self.folded, [instants[i] for i in pick], [kinds[i] for i in pick], [values[i] for i in pick]
        )
        self.refused += len(refused)
        return all(one >= self.trip.packed.time for one in instants)

    @property
    def state(self) -> tuple[t.HoldState, tuple[t.PayloadState, t.ExcursionState]]:
        """The states of hold and excursions after all rows."""
        hold, excursions, *_ = self.folded.tip
        return hold, excursions

    @property
    def dose(self) -> t.DoseState | None:
        """The thermal dose after all rows; None where the model of box has none."""
        return self.folded.tip[2][1] if len(self.folded.tip) > 2 else None

    def kinetic(self, storage: t.Storage) -> t.Mkt | t.Refusal:
        """Give the mean kinetic temperature of the window up to the newest reading; of a shorter trip, so far."""
        if storage not in t.WINDOWS:
            return t.mkt((), (), 0, 0, storage)
        times, kinds, values = self.folded.rows()
        read = kinds == t.TEMPERATURE
        times, values = times[read], values[read]
        if not len(times):
            return t.mkt((), (), 0, 0, storage)
        end = int(times[-1])
        begin = max(end - t.WINDOWS[storage], int(times[0]))
        first = max(int(np.searchsorted(times, begin, "right")) - 1, 0)
        return t.mkt(times[first:].tolist(), values[first:].tolist(), begin, end, storage)


class _Snapshot(Struct, frozen=True, array_like=True):
    kept: bytes
    talk: Talk


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class ShipperTwin:
    """Boxes. See `twins/supply/twin.py`."""

    types = (
        s.ShipperPacked, s.ShipperLogged, s.ShipperTipped, s.ShipperWeighed, s.TransitExpected, s.ShipperOpened,
        s.ShipperQualified, s.FactWithdrawn, s.EpcisEvent,
    )  # fmt: skip

    def __init__(self, config: SupplyConfig) -> None:
        self.config = config
        rule = config.boxes.rule
        self._rule = t.WarmRule(rule.warm_on, rule.warm_off, rule.warm_hours, rule.near_hours)

    def start(self, key: str) -> ShipperState:
        """Begin a box of which nothing is known."""
        return ShipperState(key)

    def step(self, state: ShipperState, fact: Fact) -> Step[ShipperState]:
        """Fold one fact."""
        refused = state.kept.why_not(fact)
        data = fact.event.data
        if refused is None:
            try:
                self._check(data)
            except InputError as error:
                refused = error
        if refused is not None:
            return Step(state, (), refused)
        replaces = isinstance(data, s.FactWithdrawn) or any(
            getattr(data, name, None) is not None for name in ("supersedes", "error_declaration")
        )
        row = state.kept.take(fact, keep=not isinstance(data, s.EpcisEvent) or bool(data.sensors))
        if replaces or isinstance(data, _FRAMES):
            state.folding = None
        elif row is not None and row.hash in state.kept.dead:
            pass  # it was replaced before it came
        elif row is not None and isinstance(data, _ROWS) and state.folding is not None and not state.folding.add(row):
            state.folding = None  # a trip that is over taught otherwise
        if state.folding is None:
            state.folding = self._fold(state.kept)
        news = isinstance(data, (*_FRAMES, s.ShipperTipped, s.TransitExpected))
        return Step(state, self._speak(state, news))

    def _check(self, data: Any) -> None:
        """Check what the types do not say."""
        if isinstance(data, s.ShipperLogged) and len(data.seconds) != len(data.celsius):
            raise _invalid("as many times as temperatures", f"{len(data.seconds)} and {len(data.celsius)}", "seconds")
        if isinstance(data, s.ShipperLogged) and not all(math.isfinite(one) for one in data.seconds):
            raise _invalid("finite times", "one that is not", "seconds")
        if isinstance(data, s.ShipperQualified) and data.until is not None:
            parse_instant(data.until, "until")
        if isinstance(data, s.ShipperPacked):
            for name in ("qualified_until", "expected_arrival"):
                if (text := getattr(data, name)) is not None:
                    parse_instant(text, name)
            try:
                _hold_of(self._model(data), data, data.hold_hours, None)
            except SettingsError as error:
                raise _invalid("a limit and times that the box's model allows", str(error)[:160], "data") from None
        if isinstance(data, s.TransitExpected):
            low, median, high = (parse_instant(getattr(data, name), name) for name in ("low", "median", "high"))
            if not low <= median <= high:
                raise _invalid("low before median before high", f"{data.low}, {data.median}, {data.high}", "median")

    def _model(self, packed: s.ShipperPacked) -> BoxModel:
        return self.config.boxes.models.get(packed.model, self.config.boxes.other)

    def _fold(self, kept: Kept) -> Folding | None:
        """Fold every trip in order, each with what the one before it taught; give the newest, None without any."""
        folding: Folding | None = None
        box: t.Box | None = None
        for trip in trips(kept):
            if folding is not None:
                box = _learned(folding)
            model = self._model(trip.packed.data)
            hold = _hold_of(model, trip.packed.data, trip.hold_hours, box)
            excursions = t.Excursions(tuple(_limit(one) for one in _limits(model, trip.packed.data)))
            aging = () if model.dose is None else (_dose_of(hold, model.dose),)
            laws = t.Together((hold, t.Filtered(hold.payload, excursions), *aging))
            folding = Folding(trip, hold, laws, t.start(laws))
            for row in kept.of(*_ROWS):
                folding.add(row)
        return folding

    def _speak(self, state: ShipperState, news: bool) -> list[Said]:
        """Say what is due: the warning at every fact, an estimate now and then."""
        talk, clock, folding = state.talk, state.kept.clock, state.folding
        said = _taken_back(state)
        if folding is None:
            return [*said, *speak((), talk.raised, clock)]
        looked = look(state, self._rule, self._model(folding.trip.packed.data).storage)
        grade = _grade(folding, looked, self.config.boxes.rule.watch_on)
        if grade != talk.grade:
            news = True
            said.append(_consequence(state, folding, looked, grade))
        talk.warning, talk.grade = looked.warning, grade
        said += speak(_wishes(state, folding, looked, self._rule, self.config.boxes.rule.watch_on), talk.raised, clock)
        if news or talk.estimate < 0 or clock - talk.estimate >= self.config.boxes.estimate_minutes * MINUTE:
            talk.estimate = clock
            said += [_estimate(state, folding, looked), _forecast(folding, looked, clock)]
        return said

    def write(self, state: ShipperState) -> bytes:
        """Give a box as bytes."""
        return _ENCODE.encode(_Snapshot(state.kept.write(), state.talk))

    def read(self, key: str, body: bytes) -> ShipperState:
        """Take a box from its bytes."""
        try:
            read = _DECODE.decode(body)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected a box, received {error}; restore an older checkpoint") from None
        kept = Kept.read(read.kept)
        return ShipperState(key, kept, read.talk, self._fold(kept))

    def belief(self, state: ShipperState) -> bytes:
        """Give what the facts make of the box."""
        folding = state.folding
        if folding is None:
            return state.kept.write()
        told = folding.folded
        return state.kept.write() + _ENCODE.encode([told.instants, told.kinds, told.values, told.settled, told.tip])

    def on_wall_clock(self, state: ShipperState) -> bool:
        """Tell whether silence is judged by the wall's clock."""
        return state.folding is None or state.folding.trip.packed.data.clock == "wall"


class Looked(NamedTuple):
    """What was seen at one look at a box."""

    left: t.HoldLeft
    payload: t.Estimate
    transit: t.hold.Floats  # quantiles of the hours until it is opened
    arrival_known: bool
    warning: t.WarmWarning
    kinetic: t.Mkt | t.Refusal


def trips(kept: Kept) -> list[Trip]:
    """Give the trips, in order of their packing."""
    packed = list(kept.of(s.ShipperPacked))
    opened = [row.time for row in kept.of(s.ShipperOpened)]
    found = []
    for place, row in enumerate(packed):
        after = packed[place + 1].time if place + 1 < len(packed) else 1 << 62
        ends = [one for one in opened if row.time < one < after]
        until = min(ends, default=after)
        qualified = kept.newest(s.ShipperQualified, until)
        found.append(Trip(row, until, bool(ends) or place + 1 < len(packed), qualified))
    return found


def look(state: ShipperState, rule: t.WarmRule, storage: t.Storage) -> Looked:
    """Look at a box as of its clock."""
    folding = state.folding
    if folding is None:
        raise SnapshotError("expected a box that was packed")
    hold_state, _ = folding.state
    clock = max(folding.trip.packed.time, min(state.kept.clock, folding.trip.after))
    left = folding.hold.left(hold_state, clock)
    payload = folding.hold.payload.at(hold_state.payload, clock)
    transit, known = _transit(state.kept, folding.trip, clock, rule)
    warning = t.WarmWarning() if folding.trip.over else t.judge(rule, state.talk.warning, left, transit, clock)
    warning = msgspec.structs.replace(warning, warm=min(warning.warm, 1.0), near=min(warning.near, 1.0))  # of rounding
    return Looked(left, payload, transit, known, warning, folding.kinetic(storage))


def _transit(kept: Kept, trip: Trip, clock: int, rule: t.WarmRule) -> tuple[t.hold.Floats, bool]:
    """Give evenly spaced quantiles of the hours until the box is opened, and whether anybody said when that will be.

    Between what was said of low, median and high it is a line; where nobody said anything, the box counts as on its way
    for as long as the rule calls near.
    """
    shares = (np.arange(TRANSIT_POINTS) + 0.5) / TRANSIT_POINTS
    said = [row for row in kept.of(s.TransitExpected) if row.time >= trip.packed.time]
    packed = trip.packed.data
    if said:
        times = [parse_instant(getattr(said[-1].data, name)) for name in ("low", "median", "high")]
        hours = np.interp(shares, (0.05, 0.5, 0.95), [(one - clock) / HOUR for one in times])
    elif packed.expected_arrival is not None:
        hours = np.full(TRANSIT_POINTS, (parse_instant(packed.expected_arrival) - clock) / HOUR)
    else:
        return np.full(TRANSIT_POINTS, rule.near_hours), False
    return np.maximum(hours, 0.0), True


def _rows_of(row: Row, capacity: float | None) -> tuple[list[int], list[int], list[float]]:
    """Give instants [us], kinds and values of one fact's rows."""
    data = row.data
    if isinstance(data, s.ShipperLogged):
        told = [
            (row.time + round(at * SECOND), value)
            for at, value in zip(data.seconds, data.celsius, strict=True)
            if value is not None
        ]
        return [at for at, _ in told], [t.TEMPERATURE] * len(told), [float(value) for _, value in told]
    if isinstance(data, s.EpcisEvent):
        read = [] if data.error_declaration is not None else sensed(data, row.time)
        return [at for at, _ in read], [t.TEMPERATURE] * len(read), [value for _, value in read]
    if isinstance(data, s.ShipperTipped):
        return [row.time], [t.TILT], [float(data.tipped)]
    if isinstance(data, s.ShipperWeighed) and capacity:
        return [row.time], [t.FILL], [data.fill_kg / capacity]
    return [], [], []


def _hold_of(model: BoxModel, packed: s.ShipperPacked, hold_hours: float, box: t.Box | None) -> t.Hold:
    """Make the law of one trip."""
    sd = DEFAULT_FILL_SD
    fill, error = 1.0, model.fill_error
    if packed.capacity_kg:
        if packed.fill_kg is not None:
            fill = packed.fill_kg / packed.capacity_kg
            sd = error
        if packed.fill_sd_kg:
            sd = error = min(packed.fill_sd_kg / packed.capacity_kg, 0.99)
    shipper = t.Shipper(
        hold_hours=hold_hours, limit_celsius=packed.limit_celsius, warming_hours=model.warming_hours,
        cold_celsius=model.cold_celsius, ambient_celsius=model.ambient_celsius, spread=model.spread,
        tip_loss=model.tip_loss, tip_hours=model.tip_hours, fill_error=error,
    )  # fmt: skip
    payload = t.Payload(t.Logger(model.logger_noise_kelvin, model.logger_lag_hours))
    return t.Hold(shipper, t.new_box(shipper) if box is None else box, payload, fill, sd)


def _dose_of(hold: t.Hold, dose: ThermalDose) -> t.Filtered:
    return t.Filtered(hold.payload, t.Dose(dose.activation_kj_per_mol, dose.reference_celsius))


def _learned(folding: Folding) -> t.Box:
    """Give the box as a trip left it."""
    hold_state, _ = folding.state
    if hold_state.fill_seen < 0:
        return folding.hold.box
    return t.learned(folding.hold.box, hold_state.mean[1], hold_state.rate_sd, hold_state.openings > 0)


def _limits(model: BoxModel, packed: s.ShipperPacked) -> list[Any]:
    return list(model.limits) or [_Above("limit", packed.limit_celsius)]


class _Above(NamedTuple):
    name: str
    above: float | None
    below: float | None = None
    single_hours: float = 0.0
    total_hours: float | None = None


def _limit(one: Any) -> t.Limit:  # Any: a ProductLimit, or the one limit that the packing named
    total = math.inf if one.total_hours is None else one.total_hours
    return t.Limit(one.name, one.above, one.below, one.single_hours, total)


def _wishes(
    state: ShipperState, folding: Folding, looked: Looked, rule: t.WarmRule, watch_on: float
) -> list[Wish]:  # fmt: skip
    """Say what calls for an alert now. A box that was opened warns of nothing but what happened to its payload."""
    packed, clock = folding.trip.packed.data, state.kept.clock
    found = []
    _, (_, excursions) = folding.state
    for limit, one in zip(folding.laws.laws[1].law.limits, excursions.limits, strict=True):
        if one.single_breach >= 0 or one.total_breach >= 0:
            found.append(
                Wish(
                    f"excursion.{limit.name}", limit.name, "critical",
                    f"the payload was out of {limit.name} for {one.total / HOUR:.1f} h in all, farthest at "
                    f"{_peak(one):.0f} degC; hold the units and tell quality",
                    one.total / HOUR, limit.single_hours, "h",
                )
            )  # fmt: skip
    kinetic = looked.kinetic
    if isinstance(kinetic, t.Mkt) and not kinetic.within:
        found.append(
            Wish(
                "kinetic", packed.model, "high",
                f"the mean kinetic temperature is {kinetic.celsius:.1f} degC from {format_instant(kinetic.begin)} to "
                f"{format_instant(kinetic.end)}, {kinetic.limit:g} degC is allowed; hold the units and tell quality",
                kinetic.celsius, kinetic.limit, "Cel",
            )
        )  # fmt: skip
    if folding.trip.over:
        return found
    if looked.warning.standing:
        hours = _hours(looked.left)
        found.append(
            Wish(
                "warm", packed.model, "critical", _warm_words(folding, looked, hours), looked.warning.warm,
                rule.warm_on, "{probability}", looked.warning.warm, _after(clock, hours[2]),
            )
        )  # fmt: skip
    elif _grade(folding, looked, watch_on) == "watched":
        hours = _hours(looked.left)
        found.append(
            Wish(
                "watch", packed.model, "medium", _warm_words(folding, looked, hours), looked.warning.warm, watch_on,
                "{probability}", looked.warning.warm, _after(clock, hours[2]),
            )
        )  # fmt: skip
    unfit = _unfit(folding.trip, clock)
    if unfit:
        found.append(Wish("qualification", packed.model, "high", f"{unfit}, and it is on its way; tell quality"))
    if looked.payload.status == "unknown":
        found.append(
            Wish("silent", packed.model, "medium", "the logger is silent; the payload's temperature is not known")
        )
    return found


def _unfit(trip: Trip, clock: int) -> str:
    """Say why a box may not travel; nothing where it may, as far as anybody said."""
    qualified, until = trip.qualified, trip.qualified_until
    if qualified is not None and not qualified.data.passed:
        return f"the shipper failed its qualification at {format_instant(qualified.time)}"
    if until is not None and clock > parse_instant(until):
        return f"the shipper's qualification ended {until}"
    return ""


def _peak(one: t.LimitState) -> float:
    every = [*one.past, *([one.now] if one.now is not None else [])]
    return max((each.peak_celsius for each in every), default=math.nan)


def _warm_words(folding: Folding, looked: Looked, hours: list[float | None]) -> str:
    limit = folding.trip.packed.data.limit_celsius
    when = "already" if hours[2] == 0 else "in more than 100 days" if hours[2] is None else f"in about {hours[2]:.0f} h"
    arrives = f"arrives in about {np.median(looked.transit):.0f} h" if looked.arrival_known else "no arrival is known"
    on_side = "; it lies on its side" if folding.state[0].tipped else ""
    source = {
        "fill": "by its fill", "warming": "its payload warms", "prior": "by its age alone: no fill signal came",
    }[looked.left.source]  # fmt: skip
    return (
        f"probability {looked.warning.warm:.0%} that the box passes {limit:g} degC before it is opened; {arrives}, the "
        f"limit is reached {when} ({source}){on_side}; refill it, re-route it, or prepare a cold store on the way"
    )


def _hours(left: t.HoldLeft) -> list[float | None]:
    return [round(float(one), 1) if math.isfinite(one) else None for one in left.quantiles(np.array(LEVELS))]


def _after(clock: int, hours: float | None) -> str | None:
    return None if hours is None else format_instant(clock + round(hours * HOUR))


def _estimate(state: ShipperState, folding: Folding, looked: Looked) -> Said:
    hold_state, (_, excursions) = folding.state
    packed = folding.trip.packed
    known = looked.payload.status == "known"
    data = {
        "of": "shipper",
        "patient": packed.data.patient,
        "units": list(packed.data.units),
        "packed": format_instant(packed.time),
        "opened": format_instant(folding.trip.after) if folding.trip.over else None,
        "payload": {
            "status": looked.payload.status,
            "celsius": looked.payload.celsius if known else None,
            "low": looked.payload.celsius - _Z95 * looked.payload.sd_kelvin if known else None,
            "high": looked.payload.celsius + _Z95 * looked.payload.sd_kelvin if known else None,
            "left_out": hold_state.payload.left_out,
            "gaps": hold_state.payload.gaps,
        },
        "fill": {
            "share": hold_state.mean[0],
            "sd": math.sqrt(max(hold_state.covariance[0], 0.0)),
            "signals": hold_state.fill_seen >= 0,
            "loss_per_day": hold_state.mean[1] * 24,
        },
        "tipped": hold_state.tipped,
        "tipped_hours": hold_state.tipped_hours,
        "tilt_signal_lost": looked.left.tilt_lost,
        "hold_hours": folding.trip.hold_hours,
        "qualified_until": folding.trip.qualified_until,
        "trips_learned": folding.hold.box.trips,
        "faults": folding.hold.box.faults,
        "excursions": [
            {
                "limit": limit.name,
                "count": one.count,
                "hours": one.total / HOUR,
                "longest_hours": one.longest / HOUR,
                "breached": one.single_breach >= 0 or one.total_breach >= 0,
            }
            for limit, one in zip(folding.laws.laws[1].law.limits, excursions.limits, strict=True)
        ],
        "kinetic": _kinetic_of(looked.kinetic),
        "dose": None
        if (dose := folding.dose) is None
        else {
            "hours": dose.hours,
            "reference_celsius": folding.laws.laws[2].law.reference_celsius,
            "covered_hours": dose.covered / HOUR,
            "unknown_hours": dose.unknown / HOUR,
        },
        "covered_hours": excursions.covered / HOUR,
        "unknown_hours": excursions.unknown / HOUR,
        "facts": len(state.kept),
        "rows_refused": folding.refused,
    }
    return Said("estimate", data, event_time=state.kept.clock)


def _kinetic_of(kinetic: t.Mkt | t.Refusal) -> dict[str, Any]:
    """Say the mean kinetic temperature, or why there is none."""
    if isinstance(kinetic, t.Refusal):
        return {"celsius": None, "refused": kinetic.reason, "detail": kinetic.detail}
    return {
        "celsius": kinetic.celsius,
        "limit_celsius": kinetic.limit,
        "begin": format_instant(kinetic.begin),
        "end": format_instant(kinetic.end),
        "refused": None,
    }


def _forecast(folding: Folding, looked: Looked, clock: int) -> Said:
    data = {
        "of": "shipper",
        "limit_celsius": folding.trip.packed.data.limit_celsius,
        "quantiles": list(LEVELS),
        "hours_to_limit": _hours(looked.left),
        "rests_on": looked.left.source,
        "p_warm": None if folding.trip.over or not looked.arrival_known else looked.warning.warm,
        "p_near": None if folding.trip.over else looked.warning.near,
        "arrival": [_after(clock, float(one)) for one in np.quantile(looked.transit, LEVELS)]
        if looked.arrival_known
        else None,
    }
    return Said("forecast", data, event_time=clock)


def _grade(folding: Folding, looked: Looked, watch_on: float) -> Literal["", "watched", "warned"]:
    """Say whether a box is warned of, or watched: more likely warm than not, and not yet for so long."""
    if folding.trip.over:
        return ""
    if looked.warning.standing:
        return "warned"
    return "watched" if looked.arrival_known and looked.warning.warm >= watch_on else ""


def _taken_back(state: ShipperState) -> list[Said]:
    """Tell a patient whose cells are not in the box after all, or no longer, that its warning is over."""
    talk = state.talk
    now = "" if state.folding is None else state.folding.trip.packed.data.patient
    if not talk.grade or now == talk.patient:
        return []
    told = s.BoxAtRisk(
        shipper=state.key.partition(":")[2], units=talk.units, standing=False, warned=False, p_warm=0.0,
        limit_celsius=0.0, hours_to_limit=None, reason="the box does not hold these units",
    )  # fmt: skip
    said = _tell(state, talk.patient, told)
    talk.grade, talk.patient, talk.units, talk.warning = "", "", (), t.WarmWarning()
    return [said]


def _tell(state: ShipperState, patient: str, told: s.BoxAtRisk) -> Said:
    """Tell a patient's twin; of two words the second is the later, so that it holds."""
    at = state.talk.told = max(state.kept.clock, state.talk.told + 1)
    data = {"subject": f"patient:{patient}", "type": "supply.box_at_risk", "data": msgspec.to_builtins(told)}
    return Said("consequence", data, event_time=at)


def _consequence(state: ShipperState, folding: Folding, looked: Looked, grade: str) -> Said:
    """Tell the patient's twin."""
    packed, hours = folding.trip.packed.data, _hours(looked.left)
    state.talk.patient, state.talk.units = packed.patient, packed.units
    low, median, high = hours[0], hours[2], hours[4]
    told = s.BoxAtRisk(
        shipper=state.key.partition(":")[2],
        units=packed.units,
        standing=bool(grade),
        warned=grade == "warned",
        p_warm=looked.warning.warm,
        limit_celsius=packed.limit_celsius,
        hours_to_limit=None if low is None or median is None or high is None else (low, median, high),
        reason=_warm_words(folding, looked, hours) if grade else "the box is no longer at risk",
    )
    return _tell(state, packed.patient, told)


def _invalid(expected: str, received: str, where: str) -> InvalidFieldError:
    return InvalidFieldError(expected=expected, received=received, where=where, advice="docs/supply.md says what fits")


__all__ = ["ShipperState", "ShipperTwin", "trips"]
