"""How often somebody may ask for something: so many in a minute, counted in this process."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from streams.api.problems import ProblemError

ASKED_A_MINUTE = 60  # of the pool, by one API key
MOST_ASKERS = 1000


class Pace:
    """At most `most` in a minute for each asker; of askers the newest MOST_ASKERS are remembered."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._times: dict[str, deque[float]] = {}

    def check(self, asker: str) -> None:
        """Count one.

        Raises
        ------
        ProblemError
            429, if there were too many.
        """
        now = self._clock()
        times = self._times.pop(asker, deque())
        while times and now - times[0] >= 60.0:
            times.popleft()
        self._times[asker] = times
        if len(self._times) > MOST_ASKERS:
            self._times.pop(next(iter(self._times)))
        if len(times) >= self._most:
            wait = max(1, round(60.0 - (now - times[0])))
            raise ProblemError(
                429,
                f"expected at most {self._most} in a minute, received more; go on in {wait} s",
                {"Retry-After": str(wait)},
            )
        times.append(now)
