from __future__ import annotations

import pytest

from streams.api.pace import MOST_ASKERS, Pace
from streams.api.problems import ProblemError


def test_so_many_in_a_minute_and_then_again() -> None:
    now = [0.0]
    pace = Pace(2, lambda: now[0])
    for at in (0.0, 10.0):
        now[0] = at
        pace.check("anna")
    with pytest.raises(ProblemError) as refused:
        pace.check("anna")
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "50"})
    pace.check("bert")
    now[0] = 60.0
    pace.check("anna")
    with pytest.raises(ProblemError):
        pace.check("anna")


def test_of_askers_only_so_many_are_remembered() -> None:
    pace = Pace(1, lambda: 0.0)
    for n in range(MOST_ASKERS + 1):
        pace.check(str(n))
    pace.check("0")  # forgotten
    with pytest.raises(ProblemError):
        pace.check(str(MOST_ASKERS))
