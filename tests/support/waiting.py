"""Wait for a condition, with a limit."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Look every few milliseconds; raise TimeoutError when it does not come to hold."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(f"expected the condition within {seconds:g} s")
        time.sleep(0.01)
