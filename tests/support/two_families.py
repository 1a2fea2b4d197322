"""A worker in a process of its own whose twins of both families only count.

python -m tests.support.two_families
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from streams import app
from streams.settings import Settings
from tests.faults.defects import put
from tests.support.counting import CountingModel


def _families(_: Sequence[str]) -> list[str]:
    return ["bioreactor", "enrollment"]


def _load_model(kind: str, _: Path | None) -> CountingModel:
    return CountingModel(kind=kind)


if __name__ == "__main__":
    put(app, "families", _families)
    put(app, "load_model", _load_model)
    settings = Settings()
    assert settings.database is not None
    sys.argv = ["worker"]
    sys.exit(app.run_worker(settings, settings.database.get_secret_value()))
