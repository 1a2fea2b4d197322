"""What is installed: what is imported is declared and locked, and the wheel holds what the program reads."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("schemas", "twins", "connectors", "streams")
ALLOWED = {"schemas": {"pydantic", "msgspec"}}
OPTIONAL = {  # where it may be imported, and the extra that brings it
    "river": (("twins/learning", "twins/enrollment/funnel"), "online-ml"),
    "openmm": (("twins/molecule",), "md"),
    "ortools": (("twins/supply/planning",), "planning"),
    "jax": (("twins/bioreactor/ensemble",), "jax"),
    "simpy": (("twins/supply/network/reference.py",), "supply"),
    "numba": (("twins/supply/network/batch.py",), "fast"),
}
LOCKED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.M)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> dict[str, set[str]]:
    """Give each package of a lock with its versions (one for each range of Pythons)."""
    found: dict[str, set[str]] = {}
    for package, version in LOCKED.findall((ROOT / "requirements" / f"{name}.txt").read_text()):
        found.setdefault(package, set()).add(version)
    return found


def imported(room: str) -> Iterator[tuple[Path, str]]:
    """Every outside module that a room's code imports, wherever in a file it does."""
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                top = name.split(".")[0]
                if top not in sys.stdlib_module_names and top not in ROOMS:
                    yield path.relative_to(ROOT), top


@pytest.mark.parametrize("room", ROOMS)
def test_every_package_that_a_room_imports_is_in_the_core_lock(room: str) -> None:
    owners = metadata.packages_distributions()
    core = locked("core")
    for path, top in set(imported(room)):
        folders, extra = OPTIONAL.get(top, ((), ""))
        if any(path.is_relative_to(folder) for folder in folders):
            assert any(one.startswith(top) for one in PROJECT["project"]["optional-dependencies"][extra])
            continue
        names = {normal(name) for name in owners.get(top, [])}
        assert names & core.keys(), f"{path} imports {top}; declare it in pyproject.toml and run scripts/lock"
        if room in ALLOWED:
            assert top in ALLOWED[room], f"{path} imports {top}"


@pytest.mark.parametrize("top", ["river"])
def test_without_an_extra_everything_else_runs_and_its_section_says_what_to_install(top: str) -> None:
    script = f"""
import sys
sys.modules[{top!r}] = None  # an import of it fails
from schemas.errors import MissingExtraError
from twins.bioreactor import BioreactorModel
from twins.enrollment import EnrollmentModel
BioreactorModel().empty().snapshot()
EnrollmentModel().empty().snapshot()
for make, section in ((BioreactorModel, {{"learning": {{}}}}), (EnrollmentModel, {{"learning_days": 30}})):
    try:
        make.from_config(section)
    except MissingExtraError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60, check=True
    )
    assert done.stdout.count(OPTIONAL[top][1]) == 2


def test_the_locks_hold_all_that_is_declared_and_agree_with_each_other() -> None:
    core, everything = locked("core"), locked("test")
    for requirement in PROJECT["project"]["dependencies"]:
        assert normal(re.split(r"[\[<>=!~; ]", requirement)[0]) in core, f"{requirement}: run scripts/lock"
    for extra in ("test", "check"):
        for requirement in PROJECT["project"]["optional-dependencies"][extra]:
            name = normal(re.split(r"[\[<>=!~; ]", requirement)[0])
            assert name == "twinstream" or name in everything, f"{requirement}: run scripts/lock"
    assert {name: everything.get(name) for name in core} == core
    assert "jax" not in core


@pytest.mark.parametrize("name", ["core", "test", "uv"])
def test_every_locked_package_has_hashes_and_nothing_names_an_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert re.match(r"[a-z0-9-]+==", block), block.splitlines()[0]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block.splitlines()[0]
    assert "://" not in text


def test_the_wheel_holds_what_the_program_reads(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in (*ROOMS, "examples"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "-w",
            tmp_path,
            source,
        ],
        check=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = {
        str(path.relative_to(source))
        for room in ROOMS
        for path in (source / room).rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }
    assert wanted - held == set()
    for mapping in (ROOT / "examples").glob("*.map.yaml"):
        assert any(name.endswith(f"share/twinstream/{mapping.name}") for name in held), mapping.name
    assert not [name for name in held if name.startswith(("tests/", "benchmarks/", "scripts/"))]
