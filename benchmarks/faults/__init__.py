"""Detection and naming of faults in a simulated vessel in closed loop; `python -m benchmarks.faults --help`."""

from benchmarks.faults.command import main

__all__ = ["main"]
