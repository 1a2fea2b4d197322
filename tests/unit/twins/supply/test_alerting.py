"""An alert is raised once, told again when it is graver or clearly more or less likely, and cleared."""

from __future__ import annotations

import pytest

from twins.supply.alerting import Raised, Standing, Wish, speak


def wish(probability: float | None, priority: str = "high") -> Wish:
    return Wish("slot", "infusion", priority, f"{probability}", probability=probability)  # type: ignore[arg-type]


def actions(raised: Raised, *wishes: Wish) -> list[tuple[str, float | None]]:
    return [(one.data["action"], one.data["probability"]) for one in speak(wishes, raised, 1)]


def test_what_stands_is_told_again_when_its_probability_has_moved_far_since_it_was_told() -> None:
    raised: Raised = {}
    assert actions(raised, wish(0.41)) == [("raise", 0.41)]
    assert [actions(raised, wish(p)) for p in (0.5, 0.6, 0.605)] == [[], [], []]
    assert actions(raised, wish(0.62)) == [("update", 0.62)]
    assert actions(raised, wish(0.45)) == []  # counted from what was told last, not from what was first
    assert actions(raised, wish(0.41)) == [("update", 0.41)]


@pytest.mark.parametrize("later", [None, 0.5])
def test_a_graver_alert_is_told_though_its_probability_is_not_known(later: float | None) -> None:
    raised: Raised = {"slot": Standing("high", 0.5)}
    assert actions(raised, wish(later)) == []
    assert actions(raised, wish(later, "critical")) == [("update", later)]
    assert raised == {"slot": Standing("critical", 0.5)}
    assert actions(raised, wish(0.9, "critical")) == [("update", 0.9)]


def test_what_nobody_calls_for_any_more_is_cleared_with_its_priority() -> None:
    raised: Raised = {"slot": Standing("critical", 0.9), "gap": Standing("high")}
    (clear,) = speak([Wish("gap", "gap", "high", "gap")], raised, 1)
    assert (clear.data["action"], clear.data["rule"], clear.data["priority"]) == ("clear", "slot", "critical")
    assert list(raised) == ["gap"]
