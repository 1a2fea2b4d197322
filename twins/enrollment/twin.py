"""The enrollment twin of one study: facts into its register, and what is said of them when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from schemas.enrollment import CorrectionDecided
from schemas.errors import InputError, SnapshotError
from schemas.events import Event
from schemas.instants import DAY, HOUR, MINUTE
from schemas.jobs import ResimulationResult
from schemas.partitions import OWNER_SOURCE, TimePassed
from twins.enrollment import alerting, correcting, forecasting
from twins.enrollment.believing import Beliefs
from twins.enrollment.config import EnrollmentConfig, model_name, read_config
from twins.enrollment.correcting import Advice
from twins.enrollment.forecasting import Digest, say_forecast
from twins.enrollment.learning import learned
from twins.enrollment.reading import Reading, read_register
from twins.enrollment.register import Register
from twins.enrollment.saying import say_estimate
from twins.enrollment.scenarios import Table
from twins.frame import Fact
from twins.scalar import Said, ScalarBlock, Step

KIND = "enrollment"


class Talk(Struct):
    """What was said last, and what is still to be said. Times in us; -1 for never."""

    estimate: int = -1
    forecast: int = -1
    changed: int = -1  # clock at the first fact that no estimate has shown yet
    learned: int = -1
    asked: int = -1
    asked_about: list[str] = []  # alerts that a question was asked about, and that still stand
    raised: alerting.Raised = {}
    recent: list[float] = []  # days of the last week's raises
    digests: list[Digest] = []
    advice: list[Advice] = []
    table: Table | None = None


@dataclass(slots=True)
class StudyState:
    """One study: its facts, and what was said of them."""

    key: str
    register: Register = field(default_factory=Register)
    talk: Talk = field(default_factory=Talk)


class _Snapshot(Struct, frozen=True, array_like=True):
    key: str
    register: bytes
    talk: Talk


_ENCODE = msgspec.msgpack.Encoder(order="sorted")
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class EnrollmentTwin:
    """Studies as scalar twins. See `twins/scalar.py` for what each verb promises."""

    kind = KIND

    def __init__(self, config: EnrollmentConfig, name: str) -> None:
        self.config, self.name = config, name

    def start(self, key: str) -> StudyState:
        """Begin a study of which nothing is known."""
        return StudyState(key)

    def step(self, state: StudyState, fact: Fact) -> Step[StudyState]:
        """Fold one fact."""
        data = fact.event.data
        refused = state.register.why_not(fact)
        if refused is not None:
            return Step(state, (), refused)
        try:
            said = self._answered(state, data)
        except InputError as error:
            return Step(state, (), error)
        state.register.take(fact)
        told = type(data) is TimePassed
        if not told and state.talk.changed < 0:
            state.talk.changed = state.register.clock
        return Step(state, [*said, *self._speak(state, told)])

    def _answered(self, state: StudyState, data: Any) -> list[Said]:
        """Say what an answer of the pool, or a person's decision, comes to."""
        talk = state.talk
        if isinstance(data, ResimulationResult):
            said, advice = correcting.answer(data, state.key)
            talk.advice = [*talk.advice, advice][-correcting.MOST_KEPT :]
            return [said]
        if isinstance(data, CorrectionDecided):
            said, talk.advice = correcting.decide(data, talk.advice)
            return [said]
        return []

    def _speak(self, state: StudyState, told: bool) -> list[Said]:
        """Say what is due; `told` where it was said that time passed."""
        talk, clock = state.talk, state.register.clock
        if not estimate_due(self.config, talk, clock, told):
            return []
        reading = read_register(state.key, state.register)
        if reading is None:
            return []
        believed = Beliefs(reading)
        estimate = say_estimate(believed, state.register)
        news = talk.changed >= 0
        talk.estimate, talk.changed = clock, -1
        said = [estimate]
        if forecast_due(self.config, talk, clock, told, news) and len(reading.study.sites):
            said += self._foresee(state, believed, estimate.data)
        return said

    def _foresee(self, state: StudyState, believed: Beliefs, estimate: dict[str, Any]) -> list[Said]:
        """Say a forecast, what it alerts to, and ask what could be done."""
        talk, register = state.talk, state.register
        forecast = say_forecast(believed, register, self.config, talk.digests, talk.table)
        talk.forecast, talk.table = register.clock, forecast.table
        talk.digests = forecasting.keep(talk.digests, forecast.digest)
        day = forecast.digest.day
        wishes = alerting.wishes(forecast, estimate, believed, self.config, talk.raised)
        alerts, talk.raised, talk.recent = alerting.speak(
            wishes, talk.raised, talk.recent, day, register.clock, self.config.alerts_a_week
        )  # fmt: skip
        said = [forecasting.spoken(forecast, register), *alerts]
        if learning_due(self.config, talk, register.clock):
            talk.learned = register.clock
            said.append(learned(believed, register))
        audited, talk.advice = correcting.audits(talk.advice, believed.reading, register.clock, self.config)
        said += audited
        why = correcting.reasons_of(list(talk.raised), talk.asked_about)
        talk.asked_about = [rule for rule in talk.asked_about if rule in talk.raised]
        if why and may_ask(self.config, talk, register.clock):
            talk.asked, talk.asked_about = register.clock, sorted(talk.raised)
            said.append(correcting.ask(believed, register, self.config, why, talk.advice))
        return said

    def write(self, state: StudyState) -> bytes:
        """Give a study as bytes."""
        return _ENCODE.encode(_Snapshot(state.key, state.register.write(), state.talk))

    def read(self, body: bytes) -> StudyState:
        """Take a study from its bytes."""
        try:
            read = _DECODE.decode(body)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected a study, received {error}; restore an older checkpoint") from None
        return StudyState(read.key, Register.read(read.register), read.talk)

    def belief(self, state: StudyState) -> bytes:
        """Give the study that the facts make, as bytes."""
        reading = read_register(state.key, state.register)
        return b"" if reading is None else _belief(reading, state.register)

    def on_wall_clock(self, state: StudyState) -> bool:
        """Tell whether silence is judged by the wall's clock."""
        plan = state.register.plan()
        return plan is None or plan.wall

    def hears(self, state: StudyState, event: Event) -> bool:
        """A study begun with `clock: source` hears its source alone."""
        return event.source != OWNER_SOURCE or self.on_wall_clock(state)


class EnrollmentModel:
    """The enrollment twin with its configuration: makes blocks."""

    kind = KIND

    def __init__(self, config: EnrollmentConfig | None = None) -> None:
        self.config = config or EnrollmentConfig()
        self.name = model_name(self.config)

    @classmethod
    def from_config(cls, document: dict[str, Any]) -> EnrollmentModel:
        """Make the model from a configuration file's document.

        Raises
        ------
        SettingsError
            With what was expected, what came and where.
        """
        return cls(read_config(document))

    def document(self) -> dict[str, Any]:
        """Give the whole configuration, defaults included, as JSON that `from_config` reads."""
        said: dict[str, Any] = msgspec.to_builtins(self.config)
        return said

    def empty(self) -> ScalarBlock[StudyState]:
        """Give a block without twins."""
        return ScalarBlock(EnrollmentTwin(self.config, self.name))


def estimate_due(config: EnrollmentConfig, talk: Talk, clock: int, told: bool) -> bool:
    """Tell whether it is time for an estimate: a while after a fact, or a day after the last.

    While facts come they are shown every `estimate_hours`; once it is `told` that time passed, after `settle_minutes`.

    Examples
    --------
    >>> estimate_due(EnrollmentConfig(), Talk(changed=0), 1 * MINUTE, told=False)
    False
    >>> estimate_due(EnrollmentConfig(), Talk(changed=0), 2 * MINUTE, told=False)
    True
    """
    settle = config.settle_minutes * MINUTE
    settled = talk.changed >= 0 and clock - talk.changed >= settle
    if talk.estimate < 0:
        return settled
    since = clock - talk.estimate
    gap = settle if told else config.estimate_hours * HOUR
    return since >= config.forecast_hours * HOUR or (settled and since >= gap)


def forecast_due(config: EnrollmentConfig, talk: Talk, clock: int, told: bool, news: bool) -> bool:
    """Tell whether it is time for a forecast: a day begins, by the grid of `forecast_hours`, or there was none.

    Where there is `news` and it is `told` that time passed, `refresh_minutes` after the last are enough.
    """
    every = round(config.forecast_hours * HOUR)
    if talk.forecast < 0 or clock // every > talk.forecast // every:
        return True
    return told and news and clock - talk.forecast >= config.refresh_minutes * MINUTE


def learning_due(config: EnrollmentConfig, talk: Talk, clock: int) -> bool:
    """Tell whether the learners are to have their say."""
    every = config.learning_days
    return every is not None and (talk.learned < 0 or clock - talk.learned >= every * DAY)


def may_ask(config: EnrollmentConfig, talk: Talk, clock: int) -> bool:
    """Tell whether the twin may ask for another ranking."""
    if correcting.overridden(talk.advice, clock):
        return False
    return talk.asked < 0 or clock - talk.asked >= config.corrections.every_days * DAY


def _belief(reading: Reading, register: Register) -> bytes:
    study = reading.study
    arrays = [
        *(getattr(study.sites, name) for name in ("country", "status", "planned", "opened", "cap")),
        *(getattr(study.spans, name) for name in study.spans.__slots__),
        *(getattr(study.subjects, name) for name in study.subjects.__slots__),
    ]
    waiting = np.sort(register.steps.rows()["hash"][reading.waits.row])
    names = [study.sites.names, study.reasons, study.strata, repr(study.countries), repr(study.targets)]
    said = _ENCODE.encode([study.as_of, names, repr(reading.plan), len(register)])
    return said + b"".join(np.ascontiguousarray(array).tobytes() for array in [*arrays, waiting])
