"""The AsyncAPI document: complete, as committed, and valid to AsyncAPI's own parser."""

from __future__ import annotations

import json
import os
import subprocess
from difflib import unified_diff
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.asyncapi import asyncapi
from schemas.catalog import CATALOG
from schemas.events import read_structured, write_headers
from schemas.topics import TOPICS
from scripts.generate import ROOT, files

PARSE = """
const { Parser } = require(process.argv[1] + '/@asyncapi/parser');
const text = require('fs').readFileSync(0, 'utf8');
new Parser().parse(text).then(({ document, diagnostics }) => {
  console.log(JSON.stringify({
    version: document ? document.version() : null,
    channels: document ? document.channels().all().map(c => c.address()) : [],
    messages: document ? document.allMessages().all().length : 0,
    problems: diagnostics.filter(d => d.severity <= 1).map(d => d.path.join('.') + ': ' + d.message),
  }));
});
"""


def resolve(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [one for item in value.values() for one in references(item)]
    if isinstance(value, list):
        return [one for item in value for one in references(item)]
    return []


def test_every_topic_and_every_name_is_in_it() -> None:
    document = asyncapi("1.2.3")
    assert {channel["address"] for channel in document["channels"].values()} == set(TOPICS)
    carried = {name for channel in document["channels"].values() for name in channel["messages"]}
    # Rejects leave as set-aside records, consequences as the events they name, a spec only inside a request.
    assert carried == set(CATALOG) - {"reject", "consequence", "simulation_spec"} | {"set_aside"}
    assert all(channel["messages"] for channel in document["channels"].values())


def test_every_reference_leads_somewhere() -> None:
    document = asyncapi("1.2.3")
    found = references(document)
    assert len(found) > 20
    for reference in found:
        assert resolve(document, reference)


def test_the_headers_that_are_written_are_those_that_are_described() -> None:
    event = read_structured(
        b'{"id":"1","source":"s","type":"bioreactor.batch_ended","subject":"B","time":"2026-03-01T08:00:00Z",'
        b'"sequence":4,"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","data":{"batch":"b"}}'
    )
    written = {name: value.decode() for name, value in write_headers(event)}
    schema = asyncapi("1.2.3")["components"]["messages"]["bioreactor.batch_ended"]["headers"]
    jsonschema.Draft202012Validator({**schema, "additionalProperties": False}).validate(written)
    assert written.keys() == schema["properties"].keys()


@pytest.mark.parametrize("path", sorted(files()), ids=lambda path: path.name)
def test_the_committed_files_are_what_the_tables_say(path: Path) -> None:
    kept, made = path.read_text().splitlines(), files()[path].splitlines()
    unlike = list(unified_diff(kept, made, "committed", "made now", lineterm="", n=1))
    assert not unlike, "run scripts/check --fix\n" + "\n".join(unlike[:30])


@pytest.mark.node
def test_asyncapis_own_parser_finds_nothing_wrong() -> None:
    text = (ROOT / "docs" / "asyncapi.json").read_text()
    verdict = parse(text)
    assert verdict["problems"] == []
    assert verdict["version"] == "3.1.0"
    assert set(verdict["channels"]) == set(TOPICS)
    broken = json.loads(text)
    del broken["info"]["title"]
    assert parse(json.dumps(broken))["problems"]


def parse(text: str) -> dict[str, Any]:
    run = subprocess.run(
        ["node", "-e", PARSE, os.environ["TWINSTREAM_NODE"]],
        input=text,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    verdict: dict[str, Any] = json.loads(run.stdout)
    return verdict
