"""An engine that only mixes numbers: the smallest thing that obeys the contract, with switches for what goes wrong.

`inputs`: `steps` to make, `work` turns in each; a `batch` to name in the answer; `trouble` at step `at`. Where `once`
names a file, only a run that finds it there has trouble, and removes it.
"""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from schemas.errors import DeviceLostError, MissingExtraError, SettingsError, SnapshotError
from schemas.jobs import MOST_SUMMARY_BYTES, SimulationSpec
from twins.block import Memory
from twins.engine import Answer, Device, Needs, Overlap, Standing

_STATE = struct.Struct(">8sIQQ")
_MODULUS = (1 << 61) - 1
_TROUBLES = ("", "crash", "swell", "hang", "memory", "device", "raise", "nan", "huge", "print", "still")


class CountingRun:
    """Steps of a generator; where a piece ends changes nothing."""

    def __init__(self, spec: SimulationSpec, name: bytes, past: int) -> None:
        self._steps = int(spec.inputs["steps"])
        self._work = int(spec.inputs.get("work", 1))
        self._batch: str | None = spec.inputs.get("batch")
        self._trouble: dict[str, Any] = spec.inputs.get("trouble", {})
        self._name, self._begin = name.ljust(8)[:8], (spec.seed * 7919 + past + 1) % _MODULUS
        self.done, self.mix = 0, self._begin
        self._hoard: list[bytes] = []
        self._met = False

    def run(self, seconds: float) -> Standing:
        until = time.monotonic() + seconds
        while self.done < self._steps:
            self._meet_trouble()
            if self._met and self._trouble["what"] == "still":
                break
            for _ in range(self._work):
                self.mix = (self.mix * 1_000_003 + self.done) % _MODULUS
            self.done += 1
            if time.monotonic() >= until:
                break
        return Standing(float(self.done), float(self._steps), "counting", {"steps_per_second": 1.0})

    def checkpoint(self) -> bytes:
        body = _STATE.pack(self._name, self._steps, self.done, self.mix)
        return body + sum(body).to_bytes(4, "big") + (self._begin ^ self.mix).to_bytes(8, "big")

    def restore(self, body: bytes) -> str:
        if len(body) != _STATE.size + 12:
            raise SnapshotError(f"expected {_STATE.size + 12} bytes, received {len(body)}")
        name, steps, done, mix = _STATE.unpack(body[: _STATE.size])
        whole = sum(body[: _STATE.size]).to_bytes(4, "big") + (self._begin ^ mix).to_bytes(8, "big")
        if name != self._name or steps != self._steps or done > steps or body[_STATE.size :] != whole:
            raise SnapshotError("expected a checkpoint of this job, received another")
        self.done, self.mix = done, mix
        return "exact"

    def answer(self) -> Answer:
        what = self._trouble.get("what")
        summary: dict[str, Any] = {"mix": str(self.mix), "share": self.mix / _MODULUS}
        if self._batch is not None:
            summary["batch"] = self._batch
        if what == "nan":
            summary["share"] = float("nan")
        if what == "huge":
            summary["text"] = "x" * MOST_SUMMARY_BYTES
        return Answer(summary, {**summary, "steps": self.done}, "exact", 64)

    def _meet_trouble(self) -> None:
        what = self._trouble.get("what", "")
        if self.done < self._trouble.get("at", 0) or not what:
            return
        once = self._trouble.get("once")
        if once is not None and not self._met:
            if not Path(once).exists():
                return
            Path(once).unlink()
        self._met = True
        if what == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if what == "hang":
            threading.Event().wait()
        if what == "swell":
            self._hoard.append(bytes(os.urandom(1 << 20)) * 16)
        if what == "memory":
            raise MemoryError("no room for 4 GiB")
        if what == "device":
            raise DeviceLostError("the device no longer answers")
        if what == "raise":
            raise ValueError("a bad number\x00")
        if what == "print":
            print("an engine prints")


class CountingEngine:
    """Makes such runs."""

    kind = "counting"
    needs: Needs = "cpu"
    overlap: Overlap = "supersede"
    release: ClassVar[str] = "1"

    def versions(self) -> dict[str, str]:
        return {"counting": self.release}

    def validate(self, spec: SimulationSpec) -> None:
        trouble = spec.inputs.get("trouble", {})
        if trouble.get("what") == "kill validator":
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble.get("what") == "missing":
            raise MissingExtraError("counting", "counts")
        if spec.model != "counting" or not set(spec.inputs) <= {"steps", "work", "batch", "trouble"}:
            raise SettingsError(f"expected model counting and its inputs, received {spec.model!r}, {list(spec.inputs)}")
        steps = spec.inputs.get("steps")
        if not isinstance(steps, int) or not 0 < steps < 1 << 32:
            raise SettingsError(f"expected inputs.steps above 0, received {steps!r}; name the steps")
        if trouble.get("what", "") not in _TROUBLES:
            raise SettingsError(f"expected a trouble among {_TROUBLES}, received {trouble!r}")

    def prepare(self, spec: SimulationSpec, past: Sequence[Memory], device: Device) -> CountingRun:
        self.validate(spec)
        if spec.inputs.get("steps") == 13:
            raise SettingsError("expected steps other than 13, received 13")
        return CountingRun(spec, b"count" + self.release.encode(), sum(len(row.body or b"") for row in past))


class NewerEngine(CountingEngine):
    """The same, of another version."""

    release = "2"


class GpuEngine(CountingEngine):
    """The same, for an accelerator."""

    kind = "counting.gpu"
    needs: Needs = "prefers_gpu"


class WatchedEngine(CountingEngine):
    """The same, by another name."""

    kind = "counting.watched"


def crash_when_loaded() -> CountingEngine:
    """End the process."""
    os.kill(os.getpid(), signal.SIGABRT)
    return CountingEngine()


def crash_once_when_loaded() -> CountingEngine:
    """End the process where a file at home says so, and remove it."""
    flag = Path.home() / "crash-once"
    if flag.exists():
        flag.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return CountingEngine()


def not_installed() -> CountingEngine:
    """Want what is not there."""
    raise MissingExtraError("counting", "counts")


def specification(
    steps: int = 1000,
    *,
    work: int = 1,
    seed: int = 7,
    kind: str = "counting",
    batch: str | None = None,
    trouble: dict[str, Any] | None = None,
) -> SimulationSpec:
    """Give a specification."""
    inputs: dict[str, Any] = {"steps": steps, "work": work}
    if batch is not None:
        inputs["batch"] = batch
    if trouble:
        inputs["trouble"] = trouble
    return SimulationSpec(kind, "counting", {}, seed, 1, 1.0, inputs)


__all__ = ["CountingEngine", "CountingRun", "GpuEngine", "NewerEngine", "specification"]
