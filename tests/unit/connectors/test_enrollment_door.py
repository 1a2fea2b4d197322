"""What every door of enrollment holds to: no arm and no person passes, ids are stable, bad input is no exception."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path

import pytest

from connectors import jsonl
from connectors.arms import is_arm, is_personal, may_tell_arm
from connectors.checks import (
    HOSTILE,
    check_bad_input_never_raises,
    check_entries,
    check_ids_are_stable,
    check_is_resumable,
    check_parse_is_pure,
)
from connectors.enrollment_files import Door, keep_told
from connectors.enrollment_mapping import read_enrollment_mapping
from connectors.file import open_file
from connectors.outgoing import BadLine, Entry, as_line, encode
from connectors.pseudonyms import Pseudonyms, open_pseudonyms
from connectors.told import Told
from schemas.errors import MappingError, UsageError
from streams.fold import fold_lines
from streams.models import load_model
from tests.unit.connectors.exports import EXPORTS, FOLDER, KEY, READ_AT, Export, facts, parser_of, payload_of

DOCS = Path(__file__).parents[3] / "docs"
IDS = [export.name for export in EXPORTS]


def lines(entries: list[Entry]) -> bytes:
    return b"\n".join(as_line(record) for entry in entries for record in encode(entry))


@pytest.mark.parametrize("export", EXPORTS, ids=IDS)
def test_each_door_passes_the_checks_of_connectors(export: Export) -> None:
    parse, payload = parser_of(export), payload_of(export)
    check_parse_is_pure(parse, payload)
    check_entries(parse(payload))
    assert facts(parse(payload))
    if not export.name.endswith(".csv"):  # a table whose header does not fit is a fault of the mapping, and is raised
        check_bad_input_never_raises(parse, HOSTILE)


@pytest.mark.parametrize("export", EXPORTS, ids=IDS)
def test_each_source_is_stable_and_resumable(export: Export, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(KEY)

    def make() -> object:
        return open_file(FOLDER / export.name, FOLDER / export.map_name, door=Door(key, record_time=READ_AT))

    check_ids_are_stable(make)  # type: ignore[arg-type]
    check_is_resumable(make)  # type: ignore[arg-type]


@pytest.mark.parametrize("export", EXPORTS, ids=IDS)
def test_a_damaged_file_is_no_exception_and_tells_no_subject(export: Export) -> None:
    parse, payload = parser_of(export), payload_of(export)
    header = payload.index(b"\n") + 1 if export.name.endswith(".csv") else 0
    rng = random.Random(3)
    for _ in range(60):
        damaged = bytearray(payload)
        for _ in range(rng.randrange(1, 6)):
            place = rng.randrange(header, len(damaged))
            damaged[place : place + rng.randrange(3)] = bytes([rng.randrange(256)])
        check_entries(parse(bytes(damaged)))


@pytest.mark.parametrize("export", [one for one in EXPORTS if one.arms[0] != b"none"], ids=lambda one: one.name)
def test_permuted_arms_give_identical_bytes(export: Export) -> None:
    parse, payload = parser_of(export), payload_of(export)
    one, other = export.arms
    assert one in payload
    swapped = payload.replace(one, b"\0").replace(other, one).replace(b"\0", other)
    assert swapped != payload
    assert lines(parse(swapped)) == lines(parse(payload))


def test_arms_of_many_subjects_permuted_give_identical_bytes_even_in_rows_that_fail() -> None:
    export = EXPORTS[1]
    header, *rows = payload_of(export).decode().splitlines()
    rows += [f"ONC-301,DE-01,{i:03d},2026-02-0{i % 12},2026-02-1{i % 9},,,,,A,2026-03-01T00:00:00Z" for i in range(40)]
    rows += ["ONC-301,DE-01,900,too,short,A", "ONC-301,,901,2026-02-01,,,,,,A,2026-03-01T00:00:00Z"]
    rng = random.Random(5)

    def arms() -> bytes:
        return "\n".join([header, *(row.replace(",A", f",{rng.choice('ABC')}") for row in rows)]).encode()

    parse = parser_of(export)
    first, second = arms(), arms()
    assert first != second
    assert any(isinstance(entry, BadLine) for entry in parse(first))
    assert lines(parse(first)) == lines(parse(second))


@pytest.mark.parametrize(
    "export", [one for one in EXPORTS if one.name[:5] not in ("sites", "costs")], ids=lambda o: o.name
)
def test_no_subject_id_passes_the_door(export: Export) -> None:
    said = lines(parser_of(export)(payload_of(export)))
    assert re.search(rb"DE-0[12][/-]00[1-3]", payload_of(export)) or b"DE-01,001" in payload_of(export)
    assert re.search(rb"DE-0[12]/00\d|Nobody|1970-01-01", said) is None
    assert len(set(re.findall(rb"P-[A-Z2-7]{16}", said))) >= 1


def test_one_subject_has_one_pseudonym_at_every_door() -> None:
    chosen = {"subjects.csv", "events.jsonl", "bundle.json", "audit_1_3_2.xml", "audit_2_0.xml"}
    expected = Pseudonyms(KEY).of("ONC-301", "DE-01/001")
    for export in EXPORTS:
        if export.name in chosen:
            subjects = {getattr(fact.data, "subject", "") for fact in facts(parser_of(export)(payload_of(export)))}
            assert expected in subjects, export.name


@pytest.mark.parametrize("export", EXPORTS, ids=IDS)
def test_packed_files_are_read_and_cut_ones_are_named(export: Export, tmp_path: Path) -> None:
    packed, cut = tmp_path / f"{export.name}.gz", tmp_path / f"cut-{export.name}.gz"
    packed.write_bytes(gzip.compress(payload_of(export)))
    cut.write_bytes(packed.read_bytes()[:-20])
    door, map_file = Door(plain=True, record_time=READ_AT), FOLDER / export.map_name
    plain = open_file(FOLDER / export.name, map_file, door=door)
    assert list(open_file(packed, map_file, door=door).items()) == list(plain.items())
    with pytest.raises((UsageError, MappingError), match=r"fetch it again|cannot be read"):
        list(open_file(cut, map_file, door=door).items())


def test_pseudonyms_depend_on_key_study_and_subject() -> None:
    one = Pseudonyms(KEY)
    made = {
        one.of("S1", "1"),
        one.of("S1", "2"),
        one.of("S", "11"),
        one.of("S11", ""),
        Pseudonyms(KEY + b"x").of("S1", "1"),
    }
    assert len(made) == 5
    assert one.of("S1", "1") == Pseudonyms(KEY).of("S1", "1")
    assert KEY.decode() not in repr(one)


def test_without_a_key_the_door_stays_shut(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no-pseudonyms"):
        open_pseudonyms(None)
    with pytest.raises(UsageError, match="both"):
        open_pseudonyms(tmp_path / "key", plain=True)
    (tmp_path / "short").write_text("short\n")
    with pytest.raises(UsageError, match="received 5"):
        open_pseudonyms(tmp_path / "short")
    with pytest.raises(UsageError, match="readable"):
        open_pseudonyms(tmp_path / "none")
    with pytest.raises(UsageError, match="no-pseudonyms"):
        open_file(FOLDER / "bundle.json")
    assert open_pseudonyms(None, plain=True).of("S", "P-1") == "P-1"


@pytest.mark.parametrize(
    "name",
    [
        "Arm",
        "ARMCD",
        "ACTARM",
        "Treatment group",
        "TRT01P",
        "assignedComparisonGroup",
        "Kit number",
        "treatment",
        "randomizationCode",
        "blind",
        "studyDrug",
        "dose_group",
    ],
)
def test_names_of_arms_are_known(name: str) -> None:
    assert is_arm(name)
    assert may_tell_arm(name.encode())


@pytest.mark.parametrize(
    "name", ["Site", "Pharmacy", "Treatment start", "Randomised", "Warm-up visit", "Country", "army"]
)
def test_other_names_are_no_arms(name: str) -> None:
    assert not is_arm(name)
    assert not is_personal(name)


@pytest.mark.parametrize("name", ["Date of birth", "DOB", "Patient name", "Initials", "E-mail address"])
def test_names_that_tell_a_person_are_known(name: str) -> None:
    assert is_personal(name)


def test_an_event_line_loses_its_arm_and_counts() -> None:
    def line(arm: str) -> bytes:
        data = {"site": "S1", "subject": "P-1", "arm": arm}
        event = {"id": "1", "source": "s", "type": "enrollment.subject_randomised", "subject": "ST-1"}
        return json.dumps({**event, "time": "2026-03-01T12:00:00Z", "actarmcd": arm, "data": data}).encode()

    (one,), (other,) = jsonl.parse(line("A")), jsonl.parse(line("B"))
    assert not isinstance(one, BadLine)
    assert one == other
    (broken,) = jsonl.parse(line("A")[:-4])
    assert isinstance(broken, BadLine)
    assert b'"arm"' not in broken.raw


def test_a_bioreactor_line_is_not_looked_through() -> None:
    line = b'{"id":"1","source":"s","type":"bioreactor.reading","arm":"A"}'
    (kept,) = jsonl.parse(line)
    assert isinstance(kept, BadLine)
    assert kept.raw == line


@pytest.mark.parametrize("export", EXPORTS, ids=IDS)
def test_what_was_told_is_not_told_again_and_a_memory_given_is_left_as_it_was(export: Export, tmp_path: Path) -> None:
    told = Told()
    first = facts(parser_of(export, told)(payload_of(export)))
    assert first
    assert facts(parser_of(export, told)(payload_of(export))) == first
    door = Door(plain=True, told=tmp_path / "told", record_time=READ_AT)
    for expected in (len(first), 0):
        source = open_file(FOLDER / export.name, FOLDER / export.map_name, door=door)
        entries = [entry for item in source.items() for entry in item.entries]
        keep_told(source, tmp_path / "told")
        # an audit trail read whole again goes through its corrections again, and ends where it was
        assert len(facts(entries)) == expected or export.name.startswith("audit")


@pytest.mark.parametrize("number", range(3))
def test_mappings_in_the_document_are_mappings(number: int) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / "enrollment_intake.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    assert read_enrollment_mapping(blocks[number], "docs").family == "enrollment"


def test_exports_fold_into_one_study() -> None:
    entries = [entry for export in EXPORTS[:2] for entry in parser_of(export)(payload_of(export))]
    lines_in = [as_line(record) for entry in entries for record in encode(entry)]
    later = b'{"id":"t","source":"clock","type":"time.passed","time":"2026-04-03T00:00:00Z"}'
    effects = [json.loads(line) for line in fold_lines(load_model("enrollment", None), [*lines_in, later], 100)]
    rejects = [effect for effect in effects if effect["kind"] == "reject"]
    assert len(rejects) == 1
    assert "row 5" in json.dumps(rejects)
    assert effects[0]["key"] == "ONC-301"
    estimates = [effect["data"] for effect in effects if effect["kind"] == "estimate"]
    assert estimates[-1]["counted"] == 2
