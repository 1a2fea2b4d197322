"""The README's commands on machines that lack something: they say what, and what to do, and change nothing."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOOLS = ("sh", "dirname", "cat", "cksum", "cut", "grep", "rm", "mkdir", "cp")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout's scripts and locks, and beside it a PATH that holds a few tools and no Python."""
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT / "scripts", checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", checkout / "requirements")
    shutil.copy(ROOT / "pyproject.toml", checkout)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    return checkout


def put(bare: Path, name: str, text: str) -> None:
    path = bare.parent / "bin" / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def run(bare: Path, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [bare / "scripts" / script, *arguments],
        env={"PATH": str(bare.parent / "bin"), "HOME": str(bare.parent), **environment},
        cwd=bare.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("script", ["demo", "test", "check", "bench", "lock"])
def test_without_python_it_says_how_to_get_one(bare: Path, script: str) -> None:
    done = run(bare, script)
    assert done.returncode == 2
    assert "expected Python 3.11, 3.12 or 3.13" in done.stderr
    assert "no Python at all" in done.stderr
    assert not (bare / ".venv").exists()


def test_with_a_python_that_will_not_do_it_names_it(bare: Path) -> None:
    put(bare, "python3", "exit 1")
    done = run(bare, "demo")
    assert done.returncode == 2
    assert "python3 (too old, too new, or without venv)" in done.stderr
    assert "python3-venv" in done.stderr


def test_a_named_python_is_the_only_one_tried(bare: Path) -> None:
    put(bare, "python3.11", "exit 0")
    done = run(bare, "demo", PYTHON="nobody")
    assert done.returncode == 2
    assert "no Python at all" in done.stderr


def test_packages_that_cannot_be_fetched_are_told_and_the_next_start_tries_again(bare: Path) -> None:
    # A Python that passes the look, makes an environment, and whose pip then fails.
    put(
        bare,
        "python3.11",
        """case "$1" in
-m)
    mkdir -p "$4/bin"
    printf '#!/bin/sh\\ncase "$*" in *pip*install*) exit 1;; esac\\n' >"$4/bin/python"
    chmod +x "$4/bin/python"
    ;;
--version) echo Python 3.11.9 ;;
esac
""",
    )
    (bare.parent / "bin" / "chmod").symlink_to(shutil.which("chmod") or "")
    for _ in range(2):
        done = run(bare, "demo")
        assert done.returncode == 2
        assert "could not be installed" in done.stderr
        assert not list((bare / ".venv").glob(".stamp-*"))


def test_a_made_environment_is_used_at_once_by_demo_and_test_alike(bare: Path) -> None:
    environment = bare / ".venv"
    (environment / "bin").mkdir(parents=True)
    program = environment / "bin" / "twinstream"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$PWD" "$@"\n')
    program.chmod(0o755)
    stamp = subprocess.run(
        ["sh", "-c", ". scripts/environment.sh; stamp_of test", "scripts/demo"],
        cwd=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    (environment / ".stamp-test").write_text(stamp)
    done = run(bare, "demo", "--replay", "a file.csv", "--speed", "max")
    assert done.returncode == 0, done.stderr
    # From where the person stood, so that the file they named is found.
    assert done.stdout.splitlines() == [str(bare.parent), "up", "--replay", "a file.csv", "--speed", "max"]
    (bare / "requirements" / "core.txt").write_text("")
    (bare / "requirements" / "test.txt").write_text("")
    assert run(bare, "demo").returncode == 2, "another lock must be installed first"


def test_scripts_can_be_run() -> None:
    for name in ("demo", "test", "check", "bench", "lock"):
        assert os.access(ROOT / "scripts" / name, os.X_OK), name
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
