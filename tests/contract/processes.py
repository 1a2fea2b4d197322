"""Start a worker process and listen to what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any


class Process:
    """A worker process and what it said."""

    def __init__(
        self,
        database: str,
        topic: str,
        folder: Path,
        *,
        lease: float = 6.0,
        group: str = "group",
        broker: str = "",
        instance: str = "",
    ) -> None:
        self.said: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.contract.worker_process",
                *(database, topic, group, str(lease), str(folder), broker, instance),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(b"{"):
                with self._news:
                    self.said.append(json.loads(line))
                    self._news.notify_all()

    def until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        began = monotonic()
        with self._news:
            assert self._news.wait_for(condition, seconds), f"{what}: not within {seconds:g} s"
        return monotonic() - began

    def claimed(self) -> bool:
        return any(word["event"] == "claimed" and word["partitions"] for word in self.said)

    def offsets(self) -> int:
        return sum(word["last"] - word["first"] + 1 for word in self.said if word["event"] == "frame")

    def signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self._thread.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()
