"""A worker of the product as a process of a benchmark: `streams.app.run_worker` as the command runs it.

It also notes when each commit round was durable, and writes that down when it stops gently.
"""

from __future__ import annotations

import os
import sys
import time
from array import array
from pathlib import Path

from streams.app import run_worker
from streams.settings import Settings


def main() -> int:
    """Run until told to stop."""
    durable = array("d")  # seconds since 1970, one per commit round

    def at_step(name: str) -> None:
        if name == "committed":
            durable.append(time.time())

    settings = Settings()
    assert settings.database is not None
    code = run_worker(settings, settings.database.get_secret_value(), at_step)
    if marks := os.environ.get("TWINSTREAM_BENCH_MARKS"):
        Path(marks).write_bytes(durable.tobytes())
    return code


if __name__ == "__main__":
    sys.argv = ["worker"]  # Faust reads it
    sys.exit(main())
