"""A person adopts what a re-simulation found: from its time on the qualified belief rests on it, in whatever order the
other facts come."""

from __future__ import annotations

import functools
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas import bioreactor as b
from schemas.errors import InputError
from schemas.events import Event
from schemas.instants import HOUR
from tests.unit.twins.bioreactor.answering import (
    CONFIG,
    SAID,
    SECTION,
    adopt,
    answer,
    block_of,
    culture,
    folding,
    in_order,
    request_of,
)
from tests.unit.twins.bioreactor.script import BEGIN, Script, records_of
from twins import checks
from twins.bioreactor import BioreactorModel
from twins.bioreactor.adopting import adopted as adopted_by
from twins.bioreactor.adopting import believed, said_of, take
from twins.bioreactor.answers import Answer
from twins.bioreactor.process import Process
from twins.bioreactor.process_section import ProcessSection

SILENT: dict[str, Any] = {**CONFIG, "forecast_seconds": 86400}
PROCESS = Process(msgspec.convert(SECTION, ProcessSection))
NAMES = PROCESS.filter.layout.names
ANSWER = Answer("j", "k", BEGIN + HOUR, 0, "", (), ("mu_m", "Y_XS"), (0.02, 1.5e8), (0.0025, 0.001, 0.01))


@functools.cache
def _asked(hours: float) -> tuple[str, float]:
    return request_of(culture(hours))


def adopted(hours: float = 2.5, at: float = 2.3, summary: dict[str, Any] | None = None) -> tuple[Script, str]:
    """A culture whose answer is adopted at an hour."""
    script, (job, asked) = culture(hours), _asked(hours)
    answer(script, job, asked, 2.2 * 3600, summary)
    adopt(script, at * 3600, job, id="yes")
    in_order(script)
    return script, job


def believes(script: Script, config: dict[str, Any] = SILENT) -> dict[str, tuple[float, float]]:
    state = block_of(folding(script.events, config))._state
    assert state.process is not None
    now = state.beliefs(np.array([0]))
    assert now.m is not None
    return believed(state.process, state.process.read(now.m, np.array([0]), np.ones(1)))


# -- the belief -------------------------------------------------------------------------------------------------------


def beliefs_of_a_run() -> np.ndarray[Any, np.dtype[np.float64]]:
    """One that has correlations between everything."""
    rng = np.random.default_rng(3)
    m = PROCESS.beginning.copy()
    PROCESS.begin(m, 0, 0, 2.0)
    joint = PROCESS.read(m, np.array([0]), np.array([2.0]))
    sd = np.sqrt(np.stack([joint.covariance[row, row, 0] for row in range(len(NAMES))]))
    spread = rng.standard_normal((len(NAMES), 40)) @ np.diag(np.linspace(0.1, 1.0, 40))
    joint.covariance[:, :, 0] = np.corrcoef(spread) * np.outer(sd, sd)
    joint.mean[:, 0] += 0.3 * sd * rng.standard_normal(len(NAMES))
    PROCESS.write(m, np.array([0]), joint)
    return m


def test_the_parameters_become_what_was_adopted_and_all_else_stays() -> None:
    m = beliefs_of_a_run()
    before = PROCESS.read(m, np.array([0]), np.array([2.0]))
    take(PROCESS, m, 0, 2.0, said_of(ANSWER))
    after = PROCESS.read(m, np.array([0]), np.array([2.0]))
    rows = [NAMES.index(name) for name in ("ln mu_m", "ln Y_XS")]
    wander = NAMES.index("wander mu_m")
    others = [row for row in range(len(NAMES)) if row not in (*rows, wander)]
    values = {one.name: one.value for one in PROCESS.model.parameters}
    assert after.mean[rows, 0] == pytest.approx([np.log(0.02 / values["mu_m"]), np.log(1.5e8 / values["Y_XS"])])
    assert after.covariance[np.ix_(rows, rows)][:, :, 0].tolist() == [[0.0025, 0.001], [0.001, 0.01]]
    assert after.mean[wander, 0] == 0.0
    assert after.covariance[wander, wander, 0] == pytest.approx(0.02**2)
    assert (after.mean[others] == before.mean[others]).all()
    assert (after.covariance[np.ix_(others, others)] == before.covariance[np.ix_(others, others)]).all()
    assert not after.covariance[np.ix_([*rows, wander], others)].any()
    least = np.linalg.eigvalsh(after.covariance[:, :, 0])[0]
    assert least >= 0.0
    told = believed(PROCESS, after)
    assert told["mu_m"] == pytest.approx((0.02, np.hypot(0.05, 0.02)))
    assert told["Y_XS"] == pytest.approx((1.5e8, 0.1))


def test_a_parameter_that_is_adopted_alone_leaves_the_others_as_they_are() -> None:
    m = beliefs_of_a_run()
    before = PROCESS.read(m, np.array([0]), np.array([2.0]))
    alone = Answer("j", "k", 0, 0, "", (), ("Y_XS",), (1.5e8,), (0.01,))
    take(PROCESS, m, 0, 2.0, (*said_of(alone), ("gone", 1.0), ("gone|gone", 1.0)))
    after = PROCESS.read(m, np.array([0]), np.array([2.0]))
    row, kept = NAMES.index("ln Y_XS"), [n for n in range(len(NAMES)) if NAMES[n] != "ln Y_XS"]
    assert after.covariance[row, row, 0] == 0.01
    assert (after.covariance[np.ix_(kept, kept)] == before.covariance[np.ix_(kept, kept)]).all()


# -- the fact ---------------------------------------------------------------------------------------------------------


def test_a_parameter_adopted_with_more_doubt_than_before_any_data_was_seen_by_the_data() -> None:
    wide = {"parameters": {**SAID["parameters"], "Y_XS": {"median": 1.5e8, "sd_log": 0.3}}}
    said = []
    for script in (culture(), adopted(summary=wide)[0]):
        estimates = [one for one in folding(script.events, SILENT).effects if one.kind == "estimate"]
        said.append(estimates[-1].data["process"]["parameters"]["Y_XS"])
    assert [(one["seen"], one["doubt_left"]) for one in said] == [
        (False, pytest.approx(1.0, abs=0.05)), (True, pytest.approx(1.5, abs=0.05)),
    ]  # fmt: skip


def test_an_adoption_moves_the_estimate_at_once_and_the_answer_is_put_down() -> None:
    script, job = adopted()
    folded = folding(script.events, SILENT)
    place = str(next(n for n, event in enumerate(script.events) if event.id == "yes"))
    said = [one for one in folded.effects if one.id.split("/")[2] == place]
    assert [(one.kind, one.lane) for one in said] == [("estimate", "qualified")]
    earlier = [one for one in folded.effects if one.kind == "estimate" and one.event_time < said[0].event_time][-1]
    was, now = (one.data["process"]["parameters"]["mu_m"]["value"] for one in (earlier, said[0]))
    assert was == pytest.approx(0.029, rel=0.15)
    assert now == pytest.approx(0.02)
    cells = [one.data["process"]["state"]["viable_cells"] for one in (earlier, said[0])]
    assert cells[1]["mean"] == pytest.approx(cells[0]["mean"], rel=0.03), "states stay where they are"
    assert block_of(folded)._state.answers.runs[0].held is None
    assert believes(script)["mu_m"][0] < 0.025
    adopt(script, 2.45 * 3600, job, id="again")
    last = folding(script.events, SILENT).effects[-1]
    assert (last.kind, last.data["reason"]) == ("reject", "not_held")


def one(name: str, median: float, sd: float) -> Answer:
    return replace(ANSWER, names=(name,), medians=(median,), covariance=(sd * sd,))


@pytest.mark.parametrize(
    ("held", "hour", "reason", "word"),
    [
        (None, 2.0, "not_held", "none is"),
        (replace(ANSWER, job="newer"), 2.0, "not_held", "newer"),
        (ANSWER, 0.9, "invalid_field", "before"),
        (one("mu_m", 50.0, 0.1), 2.0, "invalid_field", "mu_m"),
        (one("mu_m", 0.02, 0.0), 2.0, "invalid_field", "above 0"),
        (one("mu_m", 0.02, 2.5), 2.0, "invalid_field", "at most 2"),
        (one("KI_L", 50.0, 0.1), 2.0, "invalid_field", "estimates"),
        (replace(ANSWER, names=(), medians=(), covariance=()), 2.0, "invalid_field", "re-estimates"),
        (ANSWER, 2.0, "", ""),
    ],
)
def test_which_adoptions_are_refused(held: Answer | None, hour: float, reason: str, word: str) -> None:
    event = adopt(Script(), hour * 3600, "j")
    if not reason:
        assert adopted_by(event, PROCESS, held).parameters[:2] == (("mu_m", 0.02), ("Y_XS", 1.5e8))
        return
    with pytest.raises(InputError, match=word) as refused:
        adopted_by(event, PROCESS, held)
    assert refused.value.reason == reason


def test_a_refused_adoption_moves_nothing_and_the_answer_stays_held() -> None:
    script, (job, asked) = culture(2), _asked(2)
    answer(script, job, asked, 2.2 * 3600, {"parameters": {"mu_m": {"median": 50.0, "sd_log": 0.1}}})
    before = block_of(folding(script.events, SILENT)).snapshot()
    adopt(script, 2.3 * 3600, job, id="no")
    folded = folding(script.events, SILENT)
    assert (folded.effects[-1].kind, folded.effects[-1].data["reason"]) == ("reject", "invalid_field")
    assert block_of(folded).snapshot() == before


def test_nothing_is_adopted_where_nothing_is_held_or_the_run_is_over() -> None:
    script, job = adopted()
    none = Script(events=[one for one in script.events if one.id != job])
    over = Script(events=list(script.events[:-1]))
    ended = over.end(2.25 * 3600)
    over.events.sort(key=lambda one: one.record_time)
    for some in (none, over):
        effects = folding(some.events, SILENT).effects
        assert [one.data["reason"] for one in effects if one.kind == "reject"] == ["not_held"]
    assert ended.type == "bioreactor.batch_ended"


def test_a_batch_that_starts_afterwards_begins_from_its_own_priors() -> None:
    script, _ = adopted()
    script.start(2.6 * 3600, "B-2", volume=2.0, id="next")
    script.read(2.8 * 3600, biomass=(0.2, "10*6/mL"), also={"id": "r"})
    fresh = {one.name: one.value for one in PROCESS.model.parameters}
    assert believes(script)["mu_m"][0] == pytest.approx(fresh["mu_m"], rel=0.05)


# -- late facts --------------------------------------------------------------------------------------------------------


def glucose(script: Script, hour: float, value: float, known: float) -> Event:
    data = b.AssayResulted(f"S-{hour}", "glucose", value, "mmol/L")
    return script.say(hour * 3600, "bioreactor.assay_resulted", data, known=known * 3600, id=f"g{hour}")


@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    hours=st.lists(st.integers(1, 23), min_size=1, max_size=2, unique=True),
    known=st.lists(st.integers(24, 28), min_size=3, max_size=3),
    reads=st.integers(0, 23),
)
def test_late_facts_around_an_adoption_leave_what_order_would_have(
    hours: list[int], known: list[int], reads: int
) -> None:
    """Assays and a reading of before and after it come late, in any order: the belief is that of the order of events,
    to the bit. The adoption is a fact of its time, the answer of the time it came at; it is to a person's question,
    whose name does not hang on offsets."""
    script, job = culture(), "what-if-7"
    answer(script, job, 1.9 * 3600, 2.2 * 3600, {**SAID, "batch": "B-1"}, inputs=("bioreactor.events/0/0",))
    adopt(script, 2.3 * 3600, job, id="yes")
    for hour, late in zip(hours, known, strict=False):
        glucose(script, hour / 10 + 0.01, 23.0 - hour / 10, 2.5 + late / 100)
    script.read(reads / 10 * 3600 + 40, biomass=(0.21, "10*6/mL"), also={"id": "late", "known": 2.55 * 3600})
    in_order(script)
    first = next(n for n, event in enumerate(script.events) if event.id == "yes")
    script.read(2.9 * 3600, biomass=(0.22, "10*6/mL"), also={"id": "last"})
    straight = sorted(script.events, key=lambda one: one.event_time if one.id != job else BEGIN + 2.2 * HOUR)
    block = block_of(folding(script.events, SILENT, range(first, len(script.events))))
    assert block.belief("BR-1") == block_of(folding(straight, SILENT)).belief("BR-1")
    without = [one for one in script.events if one.id != "yes"]
    assert block.belief("BR-1") != block_of(folding(without, SILENT)).belief("BR-1")


def test_an_adoption_that_comes_late_itself_counts_from_its_own_time() -> None:
    script, job = adopted(hours=2.5, at=2.3)
    late = Script(events=[one for one in script.events if one.id != "yes"])
    adopt(late, 2.3 * 3600, job, id="yes", known=2.8 * 3600)
    one, two = folding(script.events, SILENT), folding(late.events, SILENT)
    assert block_of(one).belief("BR-1") == block_of(two).belief("BR-1")
    revised = [effect for effect in two.effects if effect.kind == "estimate" and effect.data["revised"]]
    assert revised
    assert revised[-1].data["process"]["parameters"]["mu_m"]["value"] < 0.025


def test_another_configuration_keeps_what_was_adopted() -> None:
    script, _ = adopted(hours=2.5, at=2.3)
    glucose(script, 1.1, 22.0, 2.42)
    in_order(script)
    records, model = records_of(script.events), BioreactorModel.from_config(SILENT)
    place = next(n for n, event in enumerate(script.events) if event.id == "yes")
    checks.check_snapshot_round_trip(model, records, place)
    other = BioreactorModel.from_config({**SILENT, "process": {**SECTION, "drift": 0.002}})
    checks.check_adoption(model, other, records, place + 2)
