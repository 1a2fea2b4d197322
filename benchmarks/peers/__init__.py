"""The same EKF work in other stream processors. What they need is no part of our lock: `requirements.txt` here."""

from benchmarks.peers.compare import main

__all__ = ["main"]
