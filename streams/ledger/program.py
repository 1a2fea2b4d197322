"""What computed the numbers: versions and CPU features, recorded with every checkpoint.

Bit-for-bit equality holds per numpy build and CPU features, so `verify` compares these first.
"""

from __future__ import annotations

import platform
from importlib import metadata

import numpy as np


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


PROGRAM = f"twinstream {_version('twinstream')}"


def program() -> dict[str, str]:
    """Describe this program and machine as far as they can change a last bit."""
    config = np.show_config(mode="dicts")
    simd = config.get("SIMD Extensions", {}) if isinstance(config, dict) else {}
    return {
        "twinstream": _version("twinstream"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "simd": " ".join(str(one) for one in simd.get("found", [])),
    }
