"""Write what is made from tables in the code: docs/asyncapi.json, docs/events.md, and tables in two other pages.

`python -m scripts.generate` writes them; with `--check` it says which differ from what it would write, and exits 1.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

from schemas.asyncapi import asyncapi
from schemas.bioreactor import PLAUSIBLE, TAG_DIMENSIONS
from schemas.catalog import CATALOG, Entry, Schema, components
from schemas.instants import HOUR
from schemas.topics import TOPICS
from schemas.units import CANONICAL, UNITS
from scripts.models_page import with_models
from streams.settings import Settings
from twins.bioreactor.parameters.assumed_growth import GROWTH

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = ROOT / "docs" / "operations.md"
BIOREACTOR = ROOT / "docs" / "bioreactor.md"
MODELS_PAGE = ROOT / "docs" / "models.md"

_HEAD = """\
# Topics, events and effects

This page is written by `python -m scripts.generate` from `schemas/`; change it there. The same, as a machine reads it,
is [asyncapi.json](asyncapi.json); the JSON Schema of one name comes from `twinstream schema bioreactor.reading`.

## Topics"""

_EVENT = """\
A key lives on partition `toPositive(murmur2(key)) % partitions`, as with Kafka's own clients; a record without a key on
partition 0. Records on `.dlq` and `.late` keep their key and value as they came; the headers `reject_reason`,
`reject_expected`, `reject_received`, `reject_where`, `reject_advice`, `origin_topic`, `origin_partition` and
`origin_offset` say what was wrong and where it stood.

## An event

One JSON object on one line (CloudEvents 1.0, structured), in a file or posted to `/api/v1/events`:

```json
{"id": "17", "source": "skid-4", "type": "bioreactor.reading", "subject": "BR-017",
 "time": "2026-03-01T08:00:00Z", "recordtime": "2026-03-01T08:00:01Z", "sequence": "17", "schemaversion": 2,
 "data": {"channels": [{"tag": "ph", "value": 7.1, "unit": "[pH]"}]}}
```

- `time` is when it happened (event_time), `recordtime` when it was known (record_time; without it, `time`).
- `subject` is the twin's key.
- (`source`, `id`) names the event: said twice, it counts once. `sequence` and `traceparent` are optional.
- `topic`, `partition` and `offset` stand in recorded lines, so that `twinstream fold` can put them where they were.

On a topic the same attributes are headers (`ce_id`, `ce_time`, ...) and the value is `data` alone, as JSON or msgpack
by `content-type`."""

_EFFECT = """\
## Effects

What a twin says, one JSON line each: `{data, event_time, id, key, kind, lane, model, record_time, twin}`. The id is
`topic/partition/offset/n` of the record that caused it; keys are sorted, floats in their shortest form."""


def files() -> dict[Path, str]:
    """Give every generated file and what it must hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    document = asyncapi(project["version"])
    return {
        ROOT / "docs" / "asyncapi.json": json.dumps(document, indent=1, sort_keys=False) + "\n",
        ROOT / "docs" / "events.md": events_page(),
        OPERATIONS: with_settings(OPERATIONS.read_text()),
        BIOREACTOR: with_parameters(BIOREACTOR.read_text()),
        MODELS_PAGE: with_models(MODELS_PAGE.read_text()),
    }


def with_settings(page: str) -> str:
    """Put the settings, as `streams/settings.py` has them, into docs/operations.md."""
    rows = []
    for name, setting in Settings.model_fields.items():
        default = setting.default
        text = json.dumps(default) if isinstance(default, bool | tuple) else str(default)
        shown = "" if default is None else f"`{text}`"
        rows.append(f"| `TWINSTREAM_{name.upper()}` | {shown} | {setting.description} |")
    return with_table(page, "| variable | default |", rows)


def with_parameters(page: str) -> str:
    """Put the growth model's parameters, with their sources, into docs/bioreactor.md."""
    rows = [
        f"| `{one.name}` | {one.value:g} | {one.unit} | {one.low:g} | {one.high:g} | {one.source} |" for one in GROWTH
    ]
    return with_table(page, "| parameter | default |", rows)


def with_table(page: str, head: str, rows: list[str]) -> str:
    """Put rows under the table whose first line begins with `head`."""
    lines = page.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(head)) + 2
    last = next((number for number in range(first, len(lines)) if not lines[number].startswith("|")), len(lines))
    return "\n".join([*lines[:first], *rows, *lines[last:]]) + "\n"


def events_page() -> str:
    """Write docs/events.md."""
    lines = [*_HEAD.splitlines(), "", *_topics(), *_EVENT.splitlines(), ""]
    for entry in CATALOG.values():
        if entry.kind == "event":
            lines += _section(entry)
    lines += [*_EFFECT.splitlines(), ""]
    for entry in CATALOG.values():
        if entry.kind != "event":
            lines += _section(entry)
    return "\n".join([*lines, *_shared(), *_tags(), *_units()]) + "\n"


def _topics() -> list[str]:
    lines = ["| topic | key | partitions | late facts | what it carries |", "|---|---|---|---|---|"]
    for topic in TOPICS.values():
        late = "refolded for ever" if topic.framed else ""
        if topic.horizon is not None:
            late = f"refolded up to {topic.horizon // HOUR} h"
        lines.append(f"| `{topic.name}` | {topic.key} | {topic.partitions} | {late} | {topic.summary} |")
    return [*lines, ""]


def _section(entry: Entry) -> list[str]:
    where = ", on " + " and ".join(f"`{name}`" for name in entry.topics) if entry.topics else ""
    _, definitions = components([entry], "{name}")
    return [
        f"### `{entry.name}`",
        "",
        f"{entry.summary} Version {entry.version}{where}.",
        "",
        *_fields(definitions[entry.struct.__name__]),
    ]


def _fields(definition: Schema) -> list[str]:
    if not definition.get("properties"):
        return ["No fields.", ""]
    lines = ["| field | type | needed |", "|---|---|---|"]
    for name, schema in definition["properties"].items():
        needed = "yes" if name in definition.get("required", []) else f"no, else `{json.dumps(schema.get('default'))}`"
        lines.append(f"| `{name}` | {_type(schema)} | {needed} |")
    return [*lines, ""]


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"]
        anchor = next((entry.name for entry in CATALOG.values() if entry.struct.__name__ == name), name.lower())
        return f"[{name}](#{anchor})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    kind = str(schema.get("type", "any"))
    if kind == "array":
        return f"list of {_type(schema.get('items') or {})}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return kind


def _shared() -> list[str]:
    """Sections of the structs that stand inside others."""
    _, definitions = components(CATALOG.values(), "{name}")
    own = {entry.struct.__name__ for entry in CATALOG.values()}
    lines = ["## Shapes inside others", ""]
    for name, definition in sorted(definitions.items()):
        if name not in own:
            lines += [f"### {name}", "", " ".join(definition.get("description", "").split()), "", *_fields(definition)]
    return lines


def _tags() -> list[str]:
    lines = [
        "## Tags",
        "",
        "Any tag may be sent. For these the unit's dimension is checked, and a value outside the plausible range (in",
        "the canonical unit) is set aside as bad.",
        "",
        "| tag | dimension | plausible |",
        "|---|---|---|",
    ]
    for tag, dimensions in TAG_DIMENSIONS.items():
        low, high = PLAUSIBLE[tag]
        unit = f" {CANONICAL[dimensions[0]]}" if len(dimensions) == 1 else ""
        lines.append(
            f"| `{tag}` | {', '.join(one.replace('_', ' ') for one in dimensions)} | {low:g} to {high:g}{unit} |"
        )
    return [*lines, ""]


def _units() -> list[str]:
    lines = [
        "## Units",
        "",
        "A closed list of UCUM codes. A value is converted once, when it enters, to the first unit of its row.",
        "",
        "| dimension | units |",
        "|---|---|",
    ]
    for dimension in CANONICAL:
        codes = " ".join(f"`{unit.code}`" for unit in UNITS.values() if unit.dimension == dimension)
        lines.append(f"| {dimension.replace('_', ' ')} | {codes} |")
    return lines


def main() -> int:
    """Write, or with --check compare; give the exit code."""
    check = sys.argv[1:] == ["--check"]
    differing = [path for path, text in files().items() if not path.exists() or path.read_text() != text]
    for path in differing:
        print(f"{'differs from what schemas/ says' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path])
    if check and differing:
        print("run scripts/check --fix")
    return int(check and bool(differing))


if __name__ == "__main__":
    sys.exit(main())
