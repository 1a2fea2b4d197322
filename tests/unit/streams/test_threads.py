"""Linear algebra has one thread in every process that the command line starts, by the time numpy loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.threads import THREADS, one_thread

ROOT = Path(__file__).parents[3]
# The first import of numpy tells what it would read, and ends the process there.
_WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print(os.environ.get("OPENBLAS_NUM_THREADS"), flush=True)
            os._exit(0)
sys.meta_path.insert(0, Watch())
import streams.cli
"""


@pytest.mark.parametrize(
    ("given", "read"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2"), ({THREADS[1]: "2"}, "None")]
)
def test_numpy_loads_after_the_number_of_threads_is_said(given: dict[str, str], read: str) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in THREADS}
    done = subprocess.run(
        [sys.executable, "-c", _WATCH], cwd=ROOT, env={**clean, "PYTHONPATH": str(ROOT), **given},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == read


def test_what_was_said_already_stays() -> None:
    for name in THREADS:
        said = {name: "3"}
        one_thread(said)
        assert said == {name: "3"}
