"""Tiers of tests that need more than Python: run where their tools are found, told loudly where they are not.

A pytest plugin, loaded by the conftest at the root. With TWINSTREAM_REQUIRE_ALL=1, as in CI, a tier whose
tools are missing stops the run before it starts, and a test that skips itself fails the run.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

REAL_DATA = Path(__file__).parents[2] / "shared" / "data" / "bioprocess"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


@dataclass(frozen=True)
class Tier:
    """A marker, what it needs in words, whether it is there. `optional`: CI may go without it too."""

    marker: str
    needs: str
    found: Callable[[], bool]
    optional: bool = False


def _node() -> bool:
    folder = os.environ.get("TWINSTREAM_NODE", "")
    return bool(folder) and Path(folder).is_dir() and shutil.which("node") is not None


def _prometheus() -> bool:
    return bool(shutil.which("prometheus") and shutil.which("promtool"))


TIERS = [
    Tier(
        "kafka",
        "Java 17 and Maven, for a real Apache Kafka",
        lambda: bool(shutil.which("java") and shutil.which("mvn")),
    ),
    Tier("browser", "a Chromium, for the dashboard", lambda: any(map(shutil.which, CHROMIUMS))),
    Tier("node", "Node.js with npm, for the AsyncAPI parser and the compose schema", _node),
    Tier("prometheus", "Prometheus and promtool, for the alarms and panels", _prometheus),
    Tier(
        "jax",
        "JAX (pip install 'twinstream[jax]'); with TWINSTREAM_JAX=1 scripts/test makes an environment that has it",
        lambda: find_spec("jax") is not None,
        optional=True,
    ),
    Tier(
        "openmm",
        "OpenMM (pip install 'twinstream[md]'), which the lock holds for Linux on x86-64",
        lambda: find_spec("openmm") is not None,
        optional=not (sys.platform == "linux" and platform.machine() == "x86_64"),
    ),
    Tier("realdata", f"the published data sets in {REAL_DATA}", REAL_DATA.is_dir, optional=True),
]


def require_all() -> bool:
    """Tell whether a tier that cannot run is a failure."""
    return os.environ.get("TWINSTREAM_REQUIRE_ALL", "") not in ("", "0")


def pytest_configure(config: pytest.Config) -> None:
    missing = [tier for tier in TIERS if not tier.found()]
    needed = [tier for tier in missing if not tier.optional]
    if needed and require_all():
        raise pytest.UsageError(
            "TWINSTREAM_REQUIRE_ALL is set, and these are missing: " + "; ".join(tier.needs for tier in needed)
        )
    config.pluginmanager.register(_Watch(missing), "twinstream-tiers")


class _Watch:
    """Leaves out the tests of missing tiers, and says so at the end."""

    def __init__(self, missing: list[Tier]) -> None:
        self.missing = missing
        self.left_out: dict[str, int] = {}
        self.skipped: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        kept: list[pytest.Item] = []
        dropped: list[pytest.Item] = []
        for item in items:
            tier = next((one for one in self.missing if item.get_closest_marker(one.marker)), None)
            if tier is None:
                kept.append(item)
            else:
                dropped.append(item)
                self.left_out[tier.marker] = self.left_out.get(tier.marker, 0) + 1
        if dropped:
            config.hook.pytest_deselected(items=dropped)
        # Playwright keeps an event loop running in this thread until the session ends; nothing that starts one of its
        # own can come after it.
        items[:] = sorted(kept, key=lambda item: item.get_closest_marker("browser") is not None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped.append(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if require_all() and self.skipped and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for tier in self.missing:
            count = self.left_out.get(tier.marker, 0)
            if not count:
                continue
            terminalreporter.section(f"TIER NOT RUN: {tier.marker} ({count} tests)", sep="!", yellow=True, bold=True)
            terminalreporter.line(f"It needs {tier.needs}.")
        if require_all() and self.skipped:
            terminalreporter.section("SKIPPED, AND NO TEST MAY BE", sep="!", red=True, bold=True)
            for nodeid in self.skipped:
                terminalreporter.line(nodeid)
