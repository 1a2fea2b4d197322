"""The network's twin: who is where, what capacity there is, what their future is, and a plan where the world changed.

It asks the pool two questions: how all of it goes on (`supply`, now and then and after a change of capacity), and how
suites and staff are to be scheduled anew (`supply.plan`, after a change). The answers come back as facts. A plan is
advice: a person takes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec
from msgspec import Struct

from schemas import supply as s
from schemas.errors import InputError, InvalidFieldError, SettingsError, SnapshotError
from schemas.ids import event_hash
from schemas.instants import DAY, HOUR, MINUTE, format_instant, parse_instant
from schemas.jobs import ResimulationRequest, ResimulationResult, SimulationSpec, hash_of
from twins.frame import Fact
from twins.scalar import Said, Step
from twins.supply.alerting import Raised, Wish, speak
from twins.supply.config import SupplyConfig
from twins.supply.eta import out_of_specification, vein_to_vein
from twins.supply.kept import Kept, Row
from twins.supply.learned import Learned, due_between, tell_patients, weekday
from twins.supply.moves import Moves
from twins.supply.network import spec as n
from twins.supply.network.checking import check_network
from twins.supply.planning.reading import read_problem

KIND, PLAN_KIND = "supply", "supply.plan"
ASK_MINUTES = 15.0  # at least, between two questions that a change calls for
ESTIMATE_MINUTES = 15.0
TELL_MINUTES = 15.0  # between two rounds of patients that are told what legs take
MOST_ADVICE = 8
KPI_DAYS = 365  # back to which figures of those who left are reckoned
GONE_DAYS = 30  # after which a move of a patient who left is not corrected any more (assumed)
SHOWN = 200  # patients that an estimate names
SEED_BYTES = 6
UNLIKELY = 0.5  # to keep a slot: below it, it is named


class Talk(Struct):
    """What was said last, what stands, what was advised. Times in us; -1 for never."""

    estimate: int = -1
    asked: int = -1
    told: int = -1  # patients, of what legs take
    changed: bool = False  # capacity, since the last question
    raised: Raised = {}
    future: dict[str, Any] = {}  # Any: JSON, the newest answer
    future_at: int = -1
    advice: list[tuple[str, dict[str, Any]]] = []  # job and summary
    plan: list[dict[str, Any]] | None = None  # as people took it; None: as the description has it


@dataclass(slots=True)
class NetworkState:
    """A network: its description and capacity, where each patient is, what was learned of legs, and what was said."""

    key: str
    kept: Kept = field(default_factory=Kept)
    moves: Moves = field(default_factory=Moves)
    gone: set[int] = field(default_factory=set)  # numbers of patients who left long ago
    outcomes: dict[int, Outcome] = field(default_factory=dict)  # of those of them who left within a year, by number
    learned: Learned = field(default_factory=Learned)
    talk: Talk = field(default_factory=Talk)
    unlikely: list[str] = field(default_factory=list)  # to keep their slots, as the newest answer has it

    @property
    def patients(self) -> dict[str, Row]:
        """The newest move of each patient."""
        return self.moves.newest


class Outcome(Struct, frozen=True, array_like=True):
    """How a patient left: when [us], days from vein to vein, whether the lot was out of specification."""

    time: int
    days: float | None
    out: bool | None


class _Snapshot(Struct, frozen=True, array_like=True):
    kept: bytes
    moves: bytes
    gone: list[int]
    outcomes: list[tuple[int, Outcome]]
    learned: bytes
    talk: Talk


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class NetworkTwin:
    """Networks. See `twins/supply/twin.py`."""

    types = (
        s.NetworkDescribed, s.ResourceChanged, s.Moved, s.CorrectionDecided, s.FactWithdrawn, s.EpcisEvent,
        ResimulationResult,
    )  # fmt: skip

    def __init__(self, config: SupplyConfig) -> None:
        self.config = config

    def start(self, key: str) -> NetworkState:
        """Begin a network of which nothing is known."""
        return NetworkState(key)

    def step(self, state: NetworkState, fact: Fact) -> Step[NetworkState]:
        """Fold one fact."""
        data = fact.event.data
        refused = state.kept.why_not(fact)
        said: list[Said] = []
        if refused is None:
            try:
                self._check(data)
                said = self._answered(state, data)
            except SettingsError as error:
                refused = InvalidFieldError(
                    expected="a network as docs/supply_network.md and docs/supply_planning.md describe it",
                    received=str(error)[:300], where="spec", advice="correct the field that it names",
                )  # fmt: skip
            except InputError as error:
                refused = error
        if refused is not None:
            return Step(state, (), refused)
        day = state.kept.clock // DAY
        row = state.kept.take(fact, keep=isinstance(data, (s.NetworkDescribed, s.ResourceChanged)))
        named = data.fact if isinstance(data, s.FactWithdrawn) else getattr(data, "supersedes", None)
        if named is not None:
            _unmove(state, event_hash(named.source, named.id))
        if isinstance(data, s.Moved) and row is not None:
            _move(state, row)
        if state.kept.clock // DAY > day:
            _forget(state)
        if isinstance(data, s.ResourceChanged):
            state.talk.changed = True
        if isinstance(data, s.NetworkDescribed):
            state.talk.plan = None  # it brings one of its own
        return Step(state, [*said, *self._speak(state, isinstance(data, (s.NetworkDescribed, s.ResourceChanged)))])

    def _check(self, data: Any) -> None:  # Any: one of the structs
        if isinstance(data, s.NetworkDescribed):
            check_network(n.convert(data.spec, n.Network, "spec"), "spec")
            if data.planning:
                read_problem(data.planning, "planning")
        elif isinstance(data, s.ResourceChanged) and data.until is not None:
            parse_instant(data.until, "until")
        elif isinstance(data, s.Moved) and data.slot is not None:
            parse_instant(data.slot, "slot")

    def _answered(self, state: NetworkState, data: Any) -> list[Said]:
        """Say what an answer of the pool, or a person's decision, comes to."""
        if isinstance(data, ResimulationResult):
            return _answer(state, data)
        if isinstance(data, s.CorrectionDecided):
            return _decide(state, data)
        return []

    def _speak(self, state: NetworkState, news: bool) -> list[Said]:
        """Say what is due."""
        talk, clock = state.talk, state.kept.clock
        described = state.kept.newest(s.NetworkDescribed)
        if described is None:
            return []
        said = speak(_wishes(state, described.data), talk.raised, clock)
        if news or talk.estimate < 0 or clock - talk.estimate >= ESTIMATE_MINUTES * MINUTE:
            talk.estimate = clock
            said.append(Said("estimate", _estimate(state, described), event_time=clock))
        said += self._ask(state, described)
        if talk.told < 0 or clock - talk.told >= TELL_MINUTES * MINUTE:
            due = due_between(state.patients, talk.told, clock, round(self.config.network.tell_hours * HOUR))
            talk.told = clock
            said += tell_patients(state.learned, due, clock)
        return said

    def _ask(self, state: NetworkState, described: Row) -> list[Said]:
        """Ask the pool where it is time, or capacity changed."""
        talk, clock, section = state.talk, state.kept.clock, self.config.network
        since = clock - talk.asked
        due = talk.asked < 0 or since >= section.every_hours * HOUR or (talk.changed and since >= ASK_MINUTES * MINUTE)
        if not due or not (talk.changed or any(row.data.step is not None for row in state.patients.values())):
            return []
        seed = int.from_bytes(event_hash(state.key, str(clock)).to_bytes(8, "big", signed=True)[:SEED_BYTES], "big")
        document = _now(state, described)
        inputs = {"network": document}
        asked = [_request(KIND, "network", section.horizon_days * 24, section.draws, seed, inputs,
                          "capacity changed" if talk.changed else "the network's future is old", clock)]  # fmt: skip
        if talk.changed and described.data.planning:
            problem = _problem(state, described)
            left = (problem["horizon"] - problem["now"]) * problem.get("grid_minutes", 1) * MINUTE / HOUR
            asked.append(_request(PLAN_KIND, "cp_sat", max(section.horizon_days * 24, left), 1, seed, problem,
                                  "capacity changed: the schedule may not hold", clock))  # fmt: skip
        talk.asked, talk.changed = clock, False
        return asked

    def write(self, state: NetworkState) -> bytes:
        """Give a network as bytes."""
        gone, outcomes = sorted(state.gone), sorted(state.outcomes.items())
        kept, moves, learned = state.kept.write(), state.moves.write(), state.learned.write()
        return _ENCODE.encode(_Snapshot(kept, moves, gone, outcomes, learned, state.talk))

    def read(self, key: str, body: bytes) -> NetworkState:
        """Take a network from its bytes."""
        try:
            read = _DECODE.decode(body)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected a network, received {error}; restore an older checkpoint") from None
        state = NetworkState(key, Kept.read(read.kept), talk=read.talk, gone=set(read.gone))
        state.outcomes = dict(read.outcomes)
        state.moves = Moves.read(read.moves)
        state.learned = Learned.read(read.learned)
        state.unlikely = _unlikely(read.talk.future)
        return state

    def belief(self, state: NetworkState) -> bytes:
        """Give what the facts make of the network."""
        return (
            state.kept.write()
            + _ENCODE.encode([list(state.moves.times()), sorted(state.gone), sorted(state.outcomes.items())])
            + state.learned.write()
        )

    def on_wall_clock(self, state: NetworkState) -> bool:
        """Tell whether silence is judged by the wall's clock."""
        described = state.kept.newest(s.NetworkDescribed)
        return described is None or described.data.clock == "wall"


def _move(state: NetworkState, row: Row) -> None:
    """Put a patient where the newest of its facts says; learn from the leg that it ended."""
    if row.hash in state.kept.dead:
        return
    if _number(row.data.patient) not in state.gone:
        state.moves.put(row)
    if row.data.leg_hours is not None and row.data.step is not None:
        state.learned.learn(row)


def _unmove(state: NetworkState, number: int) -> None:
    """Let a move not count: the patient is where the newest of the others says, and its leg taught nothing."""
    row = state.moves.take_back(number)
    if row is not None:
        state.learned.unlearn(row)


def _forget(state: NetworkState) -> None:
    """Keep of patients who left long ago only that they were here."""
    oldest = state.kept.clock // DAY * DAY - GONE_DAYS * DAY
    for name in [name for name, row in state.patients.items() if row.data.step is None and row.time < oldest]:
        state.outcomes[_number(name)] = _outcome(state.moves.forget(name))
        state.gone.add(_number(name))
    for number in [number for number, one in state.outcomes.items() if one.time < state.kept.clock - KPI_DAYS * DAY]:
        del state.outcomes[number]


def _outcome(row: Row) -> Outcome:
    return Outcome(row.time, row.data.vein_to_vein_days, row.data.out_of_specification)


def _kpis(state: NetworkState) -> dict[str, dict[str, float] | None]:
    """Give vein-to-vein time [days] and the share out of specification of those who left within a year."""
    since = state.kept.clock - KPI_DAYS * DAY
    left = [*state.outcomes.values(), *(_outcome(row) for row in state.patients.values() if row.data.step is None)]
    days = [one.days for one in left if one.days is not None and one.time >= since]
    out = [one.out for one in left if one.out is not None and one.time >= since]
    return {
        "vein_to_vein_days": asdict(vein_to_vein(days)) if days else None,
        "out_of_specification": asdict(out_of_specification(sum(out), len(out))) if out else None,
    }


def _number(patient: str) -> int:
    return event_hash("patient", patient)


def capacity(state: NetworkState, described: Row) -> dict[str, tuple[int, int]]:
    """Give how many units of each resource there are now, and how many there should be."""
    usual = {one["name"]: int(one["units"]) for one in described.data.spec["resources"]}
    now = dict(usual)
    for row in state.kept.of(s.ResourceChanged):
        over = row.data.until is not None and parse_instant(row.data.until) <= state.kept.clock
        if row.data.resource in now:
            now[row.data.resource] = usual[row.data.resource] if over else row.data.units
    return {name: (now[name], units) for name, units in usual.items()}


def _now(state: NetworkState, described: Row) -> dict[str, Any]:
    """Give the network's document as of now: day 0 is the clock, patients stand where they are."""
    clock = state.kept.clock
    past = (clock - described.time) / DAY
    document = dict(described.data.spec)
    horizon = 1e6
    resources = []
    for one in document["resources"]:
        windows = [
            {**window, "begin": window["begin"] - past, "end": window["end"] - past}
            for window in one.get("windows", [])
            if window["end"] > past
        ]
        for row in state.kept.of(s.ResourceChanged):
            if row.data.resource == one["name"]:
                end = horizon if row.data.until is None else (parse_instant(row.data.until) - clock) / DAY
                begin = (row.time - clock) / DAY
                windows = [_cut(window, begin) for window in windows if window["begin"] < begin]
                if end > 0 and row.data.units != one["units"]:
                    windows.append({"begin": begin, "end": end, "units": row.data.units})
        kept = [window for window in windows if window["end"] > window["begin"]]
        resources.append({**one, "windows": kept, "weekly": _weekly(one.get("weekly", []), clock % DAY / DAY)})
    document["resources"] = resources
    document["classes"] = [
        {**one, "arrivals": _arrivals(one["arrivals"], past, state.patients)} if one.get("arrivals") else one
        for one in document["classes"]
    ]
    document["weekday"] = weekday(clock)
    document["start"] = _standing(state, document)
    return document


def _arrivals(arrivals: dict[str, Any], past: float, known: Mapping[str, Row]) -> dict[str, Any]:
    """Say how patients come from now on; those who are known already stand where they are."""
    if arrivals["kind"] == "poisson":
        until = arrivals.get("until")
        surges = [{**one, "begin": one["begin"] - past, "end": one["end"] - past} for one in arrivals.get("surges", [])]
        return {
            **arrivals, "begin": max(arrivals.get("begin", 0.0) - past, 0.0),
            "until": None if until is None else max(until - past, 0.0),
            "surges": [one for one in surges if one["end"] > 0],
        }  # fmt: skip
    if arrivals["kind"] == "scheduled":
        coming = [
            {**one, "day": max(one["day"] - past, 0.0), "slot": None if one.get("slot") is None else one["slot"] - past}
            for one in arrivals["patients"]
            if one["patient"] not in known
        ]
        return {**arrivals, "patients": coming}
    return arrivals


def _weekly(windows: list[dict[str, Any]], since_midnight: float) -> list[dict[str, Any]]:
    """Move weekly windows so that they count from the clock's time of day, as the document's day 0 does.

    Examples
    --------
    >>> _weekly([{"begin": 0.25, "end": 0.75, "units": 0}], 0.5)
    [{'begin': 6.75, 'end': 7.0, 'units': 0}, {'begin': 0.0, 'end': 0.25, 'units': 0}]
    """
    found = []
    for window in windows:
        begin, end = window["begin"] - since_midnight, window["end"] - since_midnight
        if begin < 0 < end:
            found += [{**window, "begin": begin + 7.0, "end": 7.0}, {**window, "begin": 0.0, "end": end}]
        else:
            shift = 7.0 if begin < 0 else 0.0
            found.append({**window, "begin": begin + shift, "end": end + shift})
    return found


def _cut(window: dict[str, Any], begin: float) -> dict[str, Any]:
    return {**window, "end": min(window["end"], begin)}


def _standing(state: NetworkState, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Give where the patients are, those whose step the network's routes know."""
    classes = {one["name"]: one["route"] for one in document["classes"]}
    steps = {one["name"]: {step["name"] for step in one["steps"]} for one in document["routes"]}
    by_priority = sorted(document["classes"], key=lambda one: (one.get("priority", 0), one["name"]))
    found = []
    for name, row in sorted(state.patients.items()):
        data = row.data
        wanted = data.kind if data.kind in classes else by_priority[-1 if data.priority >= 5 else 0]["name"]
        if data.step is None or data.step not in steps[classes[wanted]]:
            continue
        one: dict[str, Any] = {
            "patient": name, "class": wanted, "step": data.step,
            "elapsed": max(state.kept.clock - row.time, 0) / DAY,
        }  # fmt: skip
        if data.slot is not None:
            one["slot"] = (parse_instant(data.slot) - state.kept.clock) / DAY
        found.append(one)
    return found[: n.MOST_NAMED]


def _problem(state: NetworkState, described: Row) -> dict[str, Any]:
    """Give the planning problem as of now: capacity that is gone is closed, the plan that was taken stands."""
    problem = dict(described.data.planning)
    grid = problem.get("grid_minutes", 1) * MINUTE
    origin = parse_instant(problem["origin"], "planning.origin") if problem.get("origin") else described.time
    clock = state.kept.clock
    problem["now"] = max(int(problem["now"]), -(-(clock - origin) // grid))
    usually = {one["name"]: int(one.get("capacity", 1)) for one in problem["resources"]}
    closed: dict[str, list[dict[str, Any]]] = {}
    for row in state.kept.of(s.ResourceChanged):
        end = problem["horizon"] if row.data.until is None else -(-(parse_instant(row.data.until) - origin) // grid)
        usual = usually.get(row.data.resource, 0)
        lost = usual - row.data.units
        start = (row.time - origin) // grid
        before = closed.setdefault(row.data.resource, [])
        before[:] = [{**one, "end": min(one["end"], start)} for one in before if one["start"] < start]
        if lost > 0 and end > start:
            why = (row.data.reason or "out of service")[:200]
            before.append({"start": start, "end": end, "lost": None if lost >= usual else lost, "why": why})
    problem["resources"] = [
        {**one, "closed": [*one.get("closed", []), *closed.get(one["name"], [])]} for one in problem["resources"]
    ]
    if state.talk.plan is not None:
        problem["plan"] = state.talk.plan
    return problem


def _request(
    kind: str, model: str, horizon: float, draws: int, seed: int, inputs: dict[str, Any], why: str, clock: int
) -> Said:  # fmt: skip
    spec = SimulationSpec(kind, model, {}, seed, draws, horizon, inputs)
    request = ResimulationRequest(spec, why, "what_if", content_hash=hash_of(spec))
    return Said("request", msgspec.to_builtins(request), "advisory", clock)


def _answer(state: NetworkState, result: ResimulationResult) -> list[Said]:
    """Say what an answer of the pool comes to: a forecast of the network, or a plan as advice."""
    if result.status != "done":
        raise InvalidFieldError(
            expected="an answer that is done", received=f"{result.status}: {result.error}"[:200], where="status",
            advice="the jobs page says why it failed",
        )  # fmt: skip
    talk, clock = state.talk, state.kept.clock
    _check_answer(result)
    if result.kind == KIND:
        talk.future, talk.future_at = result.summary, clock
        state.unlikely = _unlikely(talk.future)
        data = {"of": "network", "job": result.job, "asked": format_instant(talk.asked), **result.summary}
        return [Said("forecast", data, "advisory", clock)]
    talk.advice = [*talk.advice, (result.job, result.summary)][-MOST_ADVICE:]
    return [_correction("recommend", result.job, _plan_words(result.summary), result.summary, clock)]


class _Slot(Struct):
    patient: str
    p_slot: float | None


class _Future(Struct):
    """What is read of an answer about the future."""

    patients: list[_Slot] = []


class _Move(Struct):
    words: str


class _Unplaced(Struct):
    patient: str


class _Change(Struct):
    patient: str
    stage: str
    start: int | None


class _Plan(Struct):
    """What is read of a plan."""

    moves: list[_Move]
    unplaced: list[_Unplaced]
    cost: Any  # Any: said as it is
    greedy_cost: Any
    bound: Any
    changed: list[_Change] | None = None


def _check_answer(result: ResimulationResult) -> None:
    """Check that an answer has what is read of it."""
    kinds: dict[str, type[Struct]] = {KIND: _Future, PLAN_KIND: _Plan}
    if (kind := kinds.get(result.kind)) is None:
        raise InvalidFieldError(
            expected=f"an answer of {KIND} or {PLAN_KIND}", received=result.kind, where="kind",
            advice="ask the pool what this twin asks for",
        )  # fmt: skip
    try:
        msgspec.convert(result.summary, kind)
    except msgspec.ValidationError as error:
        raise InvalidFieldError(
            expected=f"a summary of {result.kind} as docs/jobs.md describes it", received=str(error)[:200],
            where="summary", advice="does the pool run the engine of this version?",
        ) from None  # fmt: skip


def _plan_words(summary: dict[str, Any]) -> list[str]:
    """Say a plan in lines: what it comes to, who has no place, what moves."""
    head = (
        f"{len(summary['moves'])} {'patient moves' if len(summary['moves']) == 1 else 'patients move'}, "
        f"{len(summary['unplaced'])} without a place; {summary['cost']} points, "
        f"greedily {summary['greedy_cost']}, no plan has fewer than {summary['bound']}"
    )
    left_out = [f"{one['patient']} has no place: {one.get('words', one.get('why', ''))}" for one in summary["unplaced"]]
    return [head, *left_out[:5], *(one["words"] for one in summary["moves"][:10])]


def _decide(state: NetworkState, decided: s.CorrectionDecided) -> list[Said]:
    """Note what a person decided about a plan; one that is taken is the plan from then on."""
    known = next((summary for job, summary in state.talk.advice if job == decided.correction), None)
    if known is None:
        raise InvalidFieldError(
            expected=f"one of the newest {MOST_ADVICE} plans", received=decided.correction, where="correction",
            advice="the network's page lists them",
        )  # fmt: skip
    if decided.decision == "taken":
        state.talk.plan = _taken(state, known)
    words = [f"{decided.by}, {decided.decision}: {decided.reason}"]
    return [_correction("decide", decided.correction, words, msgspec.to_builtins(decided), state.kept.clock)]


def _taken(state: NetworkState, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the plan that stands once a recommendation is taken: the one before, with what it changes.

    Raises
    ------
    InputError
        If the answer was too long to hold all of it.
    """
    described = state.kept.newest(s.NetworkDescribed)
    if record.get("changed") is None or described is None:
        raise InvalidFieldError(
            expected="a plan whose changes are all here", received="one that is too long for a message",
            where="correction", advice="describe the network anew with the plan of the job's document",
        )  # fmt: skip
    before = described.data.planning.get("plan", []) if state.talk.plan is None else state.talk.plan
    plan = {(one["patient"], one["stage"]): one for one in before}
    for one in record["changed"]:
        if one["start"] is None:
            plan.pop((one["patient"], one["stage"]), None)
        else:
            plan[one["patient"], one["stage"]] = one
    return list(plan.values())


def _correction(action: str, job: str, words: list[str], record: dict[str, Any], clock: int) -> Said:
    data = {"action": action, "correction": job, "hash": hash_of(record), "summary": words, "record": record}
    return Said("correction", data, "advisory", clock)


def _wishes(state: NetworkState, described: s.NetworkDescribed) -> list[Wish]:
    """Say what calls for an alert now: capacity that is gone, slots that the newest answer calls unlikely."""
    row = state.kept.newest(s.NetworkDescribed)
    if row is None:
        return []
    found = [
        Wish(
            f"capacity.{name}", name, "high",
            f"{now} of {usual} units of {name} are there; ask what it changes on the what-if page",
            float(now), float(usual), "{unit}",
        )
        for name, (now, usual) in sorted(capacity(state, row).items())
        if now < usual
    ]  # fmt: skip
    unlikely = [name for name in state.unlikely if (at := state.patients.get(name)) and at.data.step is not None]
    if unlikely:
        named = ", ".join(unlikely[:10])
        found.append(
            Wish("slots", "slots", "high", f"{len(unlikely)} slots are more likely missed than kept: {named}",
                 float(len(unlikely)), 0.0, "{patient}")
        )  # fmt: skip
    return found


def _unlikely(future: dict[str, Any]) -> list[str]:
    """Name the patients whose slots an answer calls more likely missed than kept."""
    told = future.get("patients", [])
    return [one["patient"] for one in told if one["p_slot"] is not None and one["p_slot"] < UNLIKELY]


def _estimate(state: NetworkState, described: Row) -> dict[str, Any]:
    clock = state.kept.clock
    present = [row for row in state.patients.values() if row.data.step is not None]
    by_step: dict[str, int] = {}
    for row in present:
        by_step[row.data.step] = by_step.get(row.data.step, 0) + 1
    longest = sorted(present, key=lambda row: (row.time, row.hash))[:SHOWN]
    return {
        "of": "network",
        "title": described.data.title,
        "patients": len(present),
        "left": len(state.patients) - len(present) + len(state.gone),
        "by_step": dict(sorted(by_step.items())),
        "longest": [
            {"patient": row.data.patient, "step": row.data.step, "since": format_instant(row.time),
             "hours": round((clock - row.time) / HOUR, 2), "slot": row.data.slot, "priority": row.data.priority}
            for row in longest
        ],
        "capacity": [
            {"resource": name, "units": now, "usual": usual}
            for name, (now, usual) in sorted(capacity(state, described).items())
        ],
        "kpis": _kpis(state),
        "future_of": format_instant(state.talk.future_at) if state.talk.future_at >= 0 else None,
        "lanes": state.learned.said(clock),
        "facts": len(state.kept),
    }  # fmt: skip


__all__ = ["NetworkState", "NetworkTwin", "capacity"]
