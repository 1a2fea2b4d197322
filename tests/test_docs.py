"""The documents keep up: no undocumented command, topic, event or setting; no link that leads nowhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from connectors.mapping import read_mapping
from schemas.catalog import CATALOG
from schemas.events import read_structured
from schemas.topics import TOPICS
from streams.cli import app
from streams.settings import Settings
from twins.bioreactor.config import read_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    {path for pattern in ("*.md", "*/*.md", "docs/**/*.md", "examples/**/*.md") for path in ROOT.glob(pattern)}
)
PAGES = [path for path in PAGES if not path.relative_to(ROOT).parts[0].startswith((".", "changelog"))]
ROOMS = "schemas|twins|connectors|streams|deploy|scripts|tests|examples|docs"
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def read(name: str) -> str:
    return (ROOT / name).read_text()


def commands() -> Iterator[tuple[str, set[str]]]:
    """Every command, `ingest file` among them, with its long options."""

    def walk(prefix: str, command: object) -> Iterator[tuple[str, set[str]]]:
        for name, inner in getattr(command, "commands", {}).items():
            if getattr(inner, "commands", None):
                yield from walk(f"{prefix}{name} ", inner)
            else:
                options = {option for parameter in inner.params for option in parameter.opts if option.startswith("--")}
                yield f"{prefix}{name}", options

    yield from walk("", typer.main.get_command(app))


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_documented(name: str) -> None:
    assert f"| `twinstream {name}` |" in read("docs/operations.md")


def test_no_command_is_documented_that_is_not_there() -> None:
    known = {name for name, _ in commands()}
    documented = set(re.findall(r"^\| `twinstream ([a-z -]+)` \|", read("docs/operations.md"), re.M))
    assert documented == known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_command_lines_in_a_page_use_options_that_exist(path: Path) -> None:
    known = dict(commands())
    for _, block in FENCE.findall(path.read_text()):
        for line in re.findall(r"^(?:\$ )?(?:twinstream|scripts/demo) .*$", block, re.M):
            said = line.partition("#")[0].replace("scripts/demo", "twinstream up").split()[1:]
            name = " ".join(said[:2]) if " ".join(said[:2]) in known else said[0]
            assert name in known, line
            used = {word.split("=")[0] for word in said if word.startswith("--")}
            assert used <= known[name] | {"--help"}, line


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    assert Settings.model_fields[name].description
    assert f"| `TWINSTREAM_{name.upper()}` |" in read("docs/operations.md")


@pytest.mark.parametrize("name", [*TOPICS, *CATALOG])
def test_every_topic_and_every_name_is_documented(name: str) -> None:
    assert f"`{name}`" in read("docs/events.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(FENCE.sub("", path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        page = (path.parent / place).resolve() if place else path
        assert page.exists(), target
        if anchor:
            assert anchor in anchors(page.read_text()), target


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_page_names_exist(path: Path) -> None:
    for name in re.findall(rf"(?<![\w/.-])((?:{ROOMS})/[\w./-]*\w)", LINK.sub("", path.read_text())):
        # Secrets are made on the host that runs them.
        assert (ROOT / name).exists() or name.startswith("deploy/secrets"), name


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in LINK.findall(page.read_text()):
            place = target.partition("#")[0]
            found = (page.parent / place).resolve()
            if place.endswith(".md") and not re.match(r"[a-z]+:", target) and found.exists():
                waiting.append(found)
    decisions = set((ROOT / "docs" / "adr").glob("*.md"))
    assert {page for page in PAGES if page not in reached | decisions} == set()


def test_what_the_readme_shows_is_read_by_the_program() -> None:
    text = read("README.md")
    blocks = FENCE.findall(text)
    mapping = next(block for kind, block in blocks if kind == "yaml")
    assert read_mapping(mapping, "README.md").name == yaml.safe_load(mapping)["name"]
    limits = next(block for kind, block in blocks if kind == "json")
    assert read_config(json.loads(limits)).limits[0].tag == "dissolved_oxygen"
    event = next(re.search(r"-d '(\{.*?\})'", block, re.S) for _, block in blocks if "curl" in block)
    assert event is not None
    assert read_structured(event[1]).subject == "BR-017"


def test_the_events_page_shows_an_event_that_is_one() -> None:
    for kind, block in FENCE.findall(read("docs/events.md") + read("docs/tour.md")):
        if kind == "json":
            assert read_structured(block).type == "bioreactor.reading"


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_has_its_five_parts(path: Path) -> None:
    text = path.read_text()
    number = int(path.name[:4])
    assert text.startswith(f"# {number}. ")
    for part in ("**Situation.**", "**Choice.**", "**Price.**", "**Revisit**"):
        assert part in text, part


def test_changes_are_named_after_their_issue_and_kind() -> None:
    for path in (ROOT / "changelog.d").iterdir():
        assert re.fullmatch(r"\d+\.(added|changed|fixed|removed)\.md", path.name), path.name


@pytest.mark.parametrize("name", ["demo", "test", "check", "bench", "lock", "environment.sh"])
def test_shell_scripts_are_posix(name: str) -> None:
    subprocess.run(["sh", "-n", ROOT / "scripts" / name], check=True, timeout=30)


def test_no_file_names_a_machine_or_a_package_index() -> None:
    for path in [
        *PAGES,
        *ROOT.glob("requirements/**/*"),
        *ROOT.glob("scripts/*"),
        ROOT / ".ci" / "run",
        ROOT / "pyproject.toml",
    ]:
        if path.is_file():
            found = re.search(r"files\.pythonhosted|pypi\.org|registry\.npmjs|/root/|/home/\w|/work/", path.read_text())
            assert found is None, (path, found)
