"""The network's twin: where patients are, what legs taught, answers of the pool, decisions, and what it forgets."""

from __future__ import annotations

import json
from typing import Any

from schemas import supply as s
from schemas.jobs import Provenance, ResimulationResult
from tests.support.supply_story import ROOT, Story
from tests.unit.twins.supply.telling import Teller, alerts, consequences, meaning, refusals, replace, withdraw

KEY = "network:N1"
SPEC = json.loads((ROOT / "examples/supply/reference_network.json").read_bytes())["inputs"]["network"]


def begun(**config: Any) -> tuple[Story, Teller]:
    made, told = Story(), Teller(network=config) if config else Teller()
    told.tell(made.tell(0, KEY, s.NetworkDescribed(spec=SPEC, clock="source")))
    return made, told


def moved(coi: str, step: str | None, hours: float | None = None) -> s.Moved:
    ahead = (s.LegName("culture", "L", "Q"),)
    return s.Moved(patient=coi, step=step, kind="urgent", leg_hours=hours, ahead=ahead, lane="L", carrier="Q")


def where(told: Teller) -> dict[str, int]:
    found: dict[str, int] = meaning(told.state(KEY))["by_step"]
    return found


def answer(kind: str = "supply.plan", status: Any = "done", **summary: Any) -> ResimulationResult:
    said: dict[str, Any] = {"moves": [], "unplaced": [], "cost": 5, "greedy_cost": 9, "bound": 4}
    change = {"patient": "A", "stage": "make", "bay": "b1", "start": 3}
    said = {**said, "changed": [change], **summary} if kind == "supply.plan" else summary
    by = Provenance(**{field: _any(kind_) for field, kind_ in _provenance().items()})
    return ResimulationResult("job-1", kind, status, by, said, "" if status == "done" else "it broke")


def _provenance() -> dict[str, Any]:
    return {field: Provenance.__annotations__[field] for field in Provenance.__struct_fields__
            if field not in dict(zip(reversed(Provenance.__struct_fields__),
                                     reversed(Provenance.__struct_defaults__), strict=False))}  # fmt: skip


def _any(kind: Any) -> Any:
    return 1 if "int" in str(kind) else {} if "dict" in str(kind) else "exact" if "Repro" in str(kind) else "x"


def test_a_patient_is_where_its_newest_move_says_whatever_came_first() -> None:
    made, told = begun()
    told.tell(made.tell(5, KEY, moved("A", "culture")), made.tell(4, KEY, moved("A", "apheresis")))
    assert where(told) == {"culture": 1}
    told.tell(made.tell(6, KEY, moved("A", None)))
    assert where(told) == {}


def test_a_move_that_was_withdrawn_or_replaced_puts_the_patient_back_and_taught_nothing() -> None:
    made, told = begun()
    right, wrong = made.tell(5, KEY, moved("A", "apheresis", 9.0)), made.tell(6, KEY, moved("A", "culture", 900.0))
    told.tell(right)
    before = meaning(told.state(KEY))
    told.tell(wrong)
    assert meaning(told.state(KEY))["learned"] == 2
    told.tell(withdraw(wrong, 1))
    after = meaning(told.state(KEY))
    assert (after["by_step"], after["learned"]) == (before["by_step"], before["learned"]) == ({"apheresis": 1}, 1)
    assert [one["hours"] for one in after["lanes"]] == [one["hours"] for one in before["lanes"]]
    told.tell(replace(right, 2, step="culture"))
    assert where(told) == {"culture": 1}
    assert meaning(told.state(KEY))["learned"] == 1
    told.tell(withdraw(right, 3), withdraw(told_last(told), 4))


def told_last(told: Teller) -> Any:
    """Name a fact that nobody told."""
    return Story().tell(1, KEY, moved("nobody", None), name="nothing")


def test_lost_capacity_is_raised_asked_about_and_cleared() -> None:
    made, told = begun()
    told.tell(made.tell(1, KEY, moved("A", "apheresis")))
    said = told.tell(made.tell(20, KEY, s.ResourceChanged(resource="suite", units=4)))
    assert alerts(said, "capacity.suite") == ["raise"]
    (asked,) = [one for one in said if one.kind == "request"]
    assert asked.data["reason"] == "capacity changed"
    lost = made.events[-1]
    assert alerts(told.tell(withdraw(lost, 1)), "capacity.suite") == ["clear"]


def test_answers_of_the_pool_are_taken_checked_and_counted_once() -> None:
    made, told = begun()
    told.tell(made.tell(0.5, KEY, moved("A", "apheresis")))
    good = made.tell(1, KEY, answer("supply", patients=[{"patient": "A", "p_slot": 0.1}]), name="a1")
    said = told.tell(good)
    assert [one.kind for one in said if one.kind == "forecast"] == ["forecast"]
    assert alerts(said, "slots") == ["raise"]
    assert [reason for reason, _ in refusals(told.tell(good))] == ["duplicate"]
    gone = told.tell(made.tell(1.5, KEY, moved("A", None)))
    assert alerts(gone, "slots") == ["clear"]  # who left has no slot to miss
    assert alerts(told.tell(made.tell(1.6, KEY, moved("A", "apheresis"))), "slots") == ["raise"]
    later = made.tell(2, KEY, answer("supply", patients=[{"patient": "A", "p_slot": 0.9}]))
    assert alerts(told.tell(later), "slots") == ["clear"]
    before = told.block.snapshot()
    bad = [
        (answer(status="failed"), "status"), (answer("enrollment"), "kind"),
        (answer("supply", patients=[{}]), "summary"),
        (answer("supply", patients=3), "summary"), (answer(moves=None), "summary"), (answer(moves=[{}]), "summary"),
        (answer(changed=[{"patient": "A"}]), "summary"),
    ]  # fmt: skip
    for data, field in bad:
        assert [at for _, at in refusals(told.tell(made.tell(3, KEY, data)))] == [field], field
    assert told.block.snapshot() == before
    assert not refusals(told.tell(made.tell(4, KEY, moved("A", "apheresis"))))  # and it goes on


def test_a_plan_is_advice_until_a_person_takes_it() -> None:
    made, told = begun()
    (advice,) = [one for one in told.tell(made.tell(1, KEY, answer())) if one.kind == "correction"]
    assert advice.data["action"] == "recommend"
    unknown = s.CorrectionDecided(**{**decided(), "correction": "job-9"})
    assert [at for _, at in refusals(told.tell(made.tell(2, KEY, unknown)))] == ["correction"]
    (said,) = [
        one for one in told.tell(made.tell(3, KEY, s.CorrectionDecided(**decided()))) if one.kind == "correction"
    ]
    assert said.data["action"] == "decide"
    plan = told.state(KEY).inner.talk.plan
    assert [(one["patient"], one["start"]) for one in plan] == [("A", 3)]
    change = {"patient": "A", "stage": "make", "start": None}
    second = answer(changed=[change])
    told.tell(made.tell(4, KEY, second), made.tell(5, KEY, s.CorrectionDecided(**decided())))
    assert refusals(told.effects) == [("invalid_field", "correction")]


def decided() -> dict[str, Any]:
    said = {"correction": "job-1", "decision": "taken", "by": "P-1", "reason": "good"}
    return {name: said.get(name, "x") for name in s.CorrectionDecided.__struct_fields__ if name in said}


def test_patients_hear_what_legs_take_and_only_those_on_their_way() -> None:
    made, told = begun(tell_hours=1.0)
    for n in range(5):
        told.tell(made.tell(1 + n, KEY, s.Moved(patient=f"P{n}", step="culture", lane="L", carrier="Q", leg_hours=9.0)))
    told.tell(made.tell(10, KEY, moved("A", "apheresis")), made.tell(11, KEY, moved("B", None)))
    told.tell(made.tell(12.5, KEY, moved("C", "apheresis")))
    learned = consequences(told.effects, "supply.legs_learned")
    assert {subject for subject, _ in learned} >= {"patient:A", "patient:C"}
    assert "patient:B" not in {subject for subject, _ in learned}
    assert learned[-1][1].legs[0].legs == 5


def test_who_left_long_ago_is_forgotten_but_counted_and_does_not_come_back() -> None:
    made, told = begun(every_hours=744.0, tell_hours=744.0)
    for n in range(60):
        told.tell(
            made.tell(48 * n + 1, KEY, moved(f"P{n}", "apheresis")), made.tell(48 * n + 9, KEY, moved(f"P{n}", None))
        )
    inner = told.state(KEY).inner
    assert len(inner.patients) == len(inner.moves) < 20
    assert meaning(told.state(KEY))["left"] == 60
    told.tell(made.tell(3, KEY, moved("P0", "culture"), known=48 * 60))
    assert where(told) == {}
    assert told.restored().block.snapshot() == told.block.snapshot()


def test_what_cannot_be_true_names_its_field() -> None:
    made, told = begun()
    before = told.block.snapshot()
    cases: list[tuple[Any, str]] = [
        (s.NetworkDescribed(spec={"resources": 3}), "spec"),
        (s.ResourceChanged(resource="suite", units=1, until="soon"), "until"),
        (s.Moved(patient="A", step="x", slot="soon"), "slot"),
        (s.PlateRead(plate="P", cfu=1), "type"),
    ]  # fmt: skip
    for data, field in cases:
        assert [at for _, at in refusals(told.tell(made.tell(1, KEY, data)))] == [field], field
    assert told.block.snapshot() == before


def test_figures_of_those_who_left_count_each_once_within_a_year_and_through_a_restart() -> None:
    made, told = begun()

    def kpis(hour: float) -> Any:
        said = told.tell(made.tell(hour, KEY, moved("X", "apheresis"), name=f"ask-{hour}"))
        (estimate,) = [one.data for one in said if one.kind == "estimate"]
        return estimate["kpis"]

    assert kpis(1) == {"vein_to_vein_days": None, "out_of_specification": None}
    for number in range(9):
        left = s.Moved(
            patient=f"P{number}", step=None, vein_to_vein_days=20.0 + number, out_of_specification=number < 2
        )
        told.tell(made.tell(2 + number / 10, KEY, left))
    again = s.Moved(patient="P8", step=None, vein_to_vein_days=30.0, out_of_specification=False)
    told.tell(made.tell(3, KEY, again))  # P8's date was corrected: not two patients
    first = kpis(5)
    assert (first["vein_to_vein_days"]["value"], first["vein_to_vein_days"]["count"]) == (24.0, 9)
    assert first["out_of_specification"]["value"] == 2 / 9
    later = kpis(24 * 60)  # their moves are forgotten, their outcomes are not
    assert len(told.state(KEY).inner.patients) == 1
    assert later == first
    assert told.restored().block.belief(KEY) == told.block.belief(KEY)
    assert kpis(24 * 400) == {"vein_to_vein_days": None, "out_of_specification": None}
    assert not told.state(KEY).inner.outcomes
