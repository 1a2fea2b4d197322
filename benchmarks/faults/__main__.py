"""Run it as a module."""

from __future__ import annotations

import sys

from benchmarks.faults.command import main

sys.exit(main(sys.argv[1:]))
