"""A trial's own tables: milestones by column, plans, costs; what is new, changed or gone; errors that say where."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from connectors.enrollment_files import Door, keep_told
from connectors.enrollment_mapping import EnrollmentMapping, OdmMapping, read_enrollment_mapping
from connectors.enrollment_parts import Moment
from connectors.enrollment_table import parse
from connectors.file import open_file
from connectors.outgoing import Entry
from connectors.pseudonyms import plain_ids
from connectors.told import Told, read_told, write_told
from schemas.enrollment import FactName, FactWithdrawn, StudyPlanned
from schemas.errors import InvalidFieldError, MappingError, UsageError
from schemas.events import Event
from schemas.instants import DAY, HOUR, format_instant
from tests.unit.connectors.exports import EXPORTS, READ_AT, at, facts, parser_of, payload_of, refused

SITES, SUBJECTS, EVENTS, COSTS = EXPORTS[:4]

MAP = """
twinstream_map: 1
family: enrollment
name: small
source: ctms
header: {columns: [Subject, Site, Consent, Failed, Why, Randomised, Known, Arm]}
study: ST-1
known: Known
subjects:
  subject: "{Subject}"
  site: "{Site}"
  steps:
    - {column: Consent, step: subject_consented}
    - {column: Failed, step: screen_failed, reason: {column: Why}}
    - {column: Randomised, step: subject_randomised}
"""
HEADER = "Subject,Site,Consent,Failed,Why,Randomised,Known,Arm\n"


def table(*rows: str) -> bytes:
    return (HEADER + "\n".join(rows) + "\n").encode()


def mapping(text: str = MAP) -> EnrollmentMapping:
    found = read_enrollment_mapping(text, "m")
    assert isinstance(found, EnrollmentMapping)
    return found


def read(payload: bytes, told: Told | None = None, text: str = MAP) -> list[Entry]:
    return parse(payload, READ_AT, mapping(text), plain_ids(), told)


def remembered(path: Path, payload: bytes, told: Path) -> list[Event]:
    """Read a table from a file with a memory in a file, and keep it."""
    table_file, map_file = path / "t.csv", path / "t.map.yaml"
    table_file.write_bytes(payload)
    map_file.write_text(MAP)
    source = open_file(table_file, map_file, door=Door(plain=True, told=told, record_time=READ_AT))
    entries = [entry for item in source.items() for entry in item.entries]
    keep_told(source, told)
    return facts(entries)


def test_sites_list_gives_the_plan_and_what_is_open() -> None:
    plan, *rest = facts(parser_of(SITES)(payload_of(SITES)))
    assert isinstance(plan.data, StudyPlanned)
    assert [(site.site, site.country, site.per_month) for site in plan.data.sites] == [
        ("DE-01", "DE", 0.8),
        ("DE-02", "DE", 1.1),
        ("PL-01", "PL", 0.9),
    ]
    assert plan.data.sites[0].activation == "2026-01-15T11:00:00Z"  # noon in Berlin
    assert [one.country for one in plan.data.countries] == ["DE", "PL"]
    assert [(fact.type, fact.data.site) for fact in rest] == [
        ("enrollment.site_activated", "DE-01"),
        ("enrollment.site_activated", "DE-02"),
    ]


def test_subject_rows_give_each_milestone_and_refuse_one_cell_with_its_place() -> None:
    entries = parser_of(SUBJECTS)(payload_of(SUBJECTS))
    steps = Counter(fact.type.removeprefix("enrollment.") for fact in facts(entries))
    assert steps == {
        "subject_consented": 5,
        "subject_screened": 4,
        "screen_failed": 1,
        "subject_randomised": 2,
        "visit_done": 1,
    }
    (reason,) = refused(entries)
    assert "row 5" in reason
    assert "'Screening visit'" in reason
    assert "'soon'" in reason
    assert "correct the cell" in reason
    failed = next(fact for fact in facts(entries) if fact.type.endswith("screen_failed"))
    assert failed.data.reason == "hba1c"
    assert failed.record_time == at("2026-02-13T08:00:00Z")
    assert all(fact.event_time <= fact.record_time for fact in facts(entries))


def test_facts_come_in_the_order_in_which_they_were_known() -> None:
    known = [fact.record_time for fact in facts(parser_of(SUBJECTS)(payload_of(SUBJECTS)))]
    assert known == sorted(known)


def test_event_lines_give_steps_of_sites_and_subjects() -> None:
    found = facts(parser_of(EVENTS)(payload_of(EVENTS)))
    assert [fact.type.removeprefix("enrollment.") for fact in found] == [
        "site_activated",
        "subject_consented",
        "subject_randomised",
        "site_paused",
    ]
    assert found[0].data.country == "DE"
    assert found[3].data.reason == "audit"


def test_lists_and_deep_objects_in_fields_nobody_maps_cost_no_row() -> None:
    line = payload_of(EVENTS).splitlines()[1]
    odd = line[:-1] + b', "tags": [1, {"a": 2}], "arms": {"a": {"b": ["A", "B"]}}}'
    parse_events = parser_of(EVENTS)
    assert parse_events(odd) == parse_events(line)
    (said,) = refused(parse_events(b'{"study": "ONC-301", "what": ["Consent"]}'))
    assert "row 1" in said


def test_costs_without_ids_are_counted_by_what_they_say() -> None:
    text = """
twinstream_map: 1
family: enrollment
name: costs
source: erp
header: {columns: [Line, Amount, Day]}
study: ST-1
costs: {line: "{Line}", amount: Amount, currency: EUR, when: Day}
"""
    rows = b"Line,Amount,Day\nvisits,10,2026-01-31\nvisits,10,2026-01-31\nvisits,-5,2026-01-31\n"
    found = facts(read(rows, text=text))
    assert sorted(fact.data.amount for fact in found) == [-5.0, 10.0, 10.0]
    assert len({fact.id for fact in found}) == 3
    longer = facts(read(rows + b"visits,10,2026-02-28\n", text=text))
    assert {fact.id for fact in found} < {fact.id for fact in longer}
    (reason,) = refused(read(b"Line,Amount,Day\nvisits,ten,2026-01-31\n", text=text))
    assert "column 'Amount'" in reason


def test_a_later_export_tells_what_is_new_changed_and_gone(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    first = table("1,S1,2026-01-05,,,2026-01-20,2026-02-01,A", "2,S1,2026-01-06,2026-01-10,age,,2026-02-01,B")
    assert len(remembered(tmp_path, first, told)) == 4
    assert remembered(tmp_path, first, told) == []
    later = table("1,S1,2026-01-05,,,2026-01-22,2026-03-01,A", "2,S1,2026-01-06,,,,2026-03-01,B")
    changed, gone = sorted(remembered(tmp_path, later, told), key=lambda fact: fact.type, reverse=True)
    before = {fact.type: fact for fact in facts(read(first)) if fact.data.subject in ("1", "2")}
    assert changed.data.supersedes == FactName("ctms", before["enrollment.subject_randomised"].id)
    assert changed.event_time == at("2026-01-22T12:00:00Z")
    assert isinstance(gone.data, FactWithdrawn)
    assert gone.data.fact == FactName("ctms", before["enrollment.screen_failed"].id)
    assert remembered(tmp_path, later, told) == []
    (again,) = remembered(tmp_path, first.replace(b"2026-01-20", b"2026-01-22"), told)
    assert again.data.supersedes is None
    assert again.id != before["enrollment.screen_failed"].id


def test_a_date_that_goes_back_to_what_it_was_is_told(tmp_path: Path) -> None:
    ids: list[str] = []
    for day in ("2026-01-05", "2026-01-06", "2026-01-05"):
        (fact,) = remembered(tmp_path, table(f"1,S1,{day},,,,2026-02-01,A"), tmp_path / "told")
        assert fact.data.supersedes == (FactName("ctms", ids[-1]) if ids else None)
        ids.append(fact.id)
    assert len(set(ids)) == 3


def test_without_a_memory_the_same_statement_is_the_same_fact() -> None:
    payload = table("1,S1,2026-01-05,,,2026-01-20,2026-02-01,A")
    moved = table("9,S1,2026-01-02,,,,2026-02-01,A", "1,S1,2026-01-05,,,2026-01-20,2026-03-01,B")
    assert {fact.id for fact in facts(read(payload))} < {fact.id for fact in facts(read(moved))}


def test_memory_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "told").write_text("[]")
    with pytest.raises(UsageError, match="--told"):
        read_told(tmp_path / "told")
    write_told(Told(), tmp_path / "new")
    assert read_told(tmp_path / "new").scopes == {}


@pytest.mark.parametrize(
    ("moment", "text", "expected"),
    [
        (Moment(), "2026-03-01", "2026-03-01T12:00:00Z"),
        (Moment(zone="Europe/Berlin"), "2026-03-01", "2026-03-01T11:00:00Z"),
        (Moment(zone="Europe/Berlin"), "2026-07-01", "2026-07-01T10:00:00Z"),
        (Moment(zone="America/New_York", hour=0), "2026-03-01", "2026-03-01T05:00:00Z"),
        (Moment(hour=9.5), "2026-03-01", "2026-03-01T09:30:00Z"),
        (Moment(zone="Europe/Berlin"), "2026-03-01T08:00:00", "2026-03-01T07:00:00Z"),
        (Moment(), "2026-03-01T08:00:00-05:00", "2026-03-01T13:00:00Z"),
        (Moment(format="%d.%m.%Y"), "01.03.2026", "2026-03-01T12:00:00Z"),
        (Moment(format="%d%b%Y:%H:%M"), "01Mar2026:08:15", "2026-03-01T08:15:00Z"),
    ],
)
def test_days_count_from_the_hour_that_the_mapping_names(moment: Moment, text: str, expected: str) -> None:
    assert format_instant(moment.read(text, "x").instant) == expected


@pytest.mark.parametrize("text", ["2026-02-30", "2026", "03/01/2026", "", "1850-01-01", "tomorrow", "2026-W01"])
def test_what_is_no_day_says_where_it_stands(text: str) -> None:
    with pytest.raises(InvalidFieldError, match="column 'Consent'"):
        Moment().read(text, "row 3, column 'Consent'")


def test_a_day_of_today_is_known_at_its_hour_and_one_of_tomorrow_is_ahead() -> None:
    now = at("2026-03-01T07:00:00Z")
    today, after = Moment().read("2026-03-01", "x"), Moment().read("2026-03-03", "x")
    assert today.known(now) == today.instant
    assert after.known(now) == now
    assert after.instant - now > DAY + HOUR


def test_a_row_known_on_a_day_is_known_by_its_end() -> None:
    (fact,) = facts(read(table("1,S1,2026-01-05T17:00:00Z,,,,2026-01-05,A")))
    assert fact.event_time < fact.record_time < at("2026-01-06T00:00:00Z")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("family: enrollment", "family: bioreactor", "family"),
        ('site: "{Site}"', 'site: "{Arm}"', "tells an arm"),
        ("known: Known", "known: Known\narms: [Site]", "tells an arm"),
        ('subject: "{Subject}"', 'subject: "{Initials}"', "header.columns"),
        ("column: Consent,", "column: Konsent,", "'Konsent'"),
        ("step: subject_consented", "step: subject_cured", "step"),
        ("step: subject_randomised", "step: visit_done", "visit"),
        ("step: subject_randomised}", "step: subject_randomised, reason: {column: Why}}", "reason"),
        ("study: ST-1", "study: ST-1\ntime: {zone: Mars}", "zone"),
        ("study: ST-1", "study: ST-1\ntime: {hour: 24}", "hour"),
        ("study: ST-1", "study: ST-1\nplan: {subjects: 3}", "plan"),
        ("study: ST-1", "study: ST-1\nform: parquet", "form"),
        ("study: ST-1", "study: ST-1\ncosts: {line: a, amount: Why, currency: EUR, when: Known}", "one of"),
    ],
)
def test_faults_of_a_mapping_are_named(old: str, new: str, said: str) -> None:
    assert old in MAP
    with pytest.raises(MappingError, match=said):
        read_enrollment_mapping(MAP.replace(old, new), "m")


def test_a_column_that_tells_a_person_may_not_be_mapped() -> None:
    text = MAP.replace("Why", "Initials")
    with pytest.raises(MappingError, match="tells a person"):
        read_enrollment_mapping(text, "m")


def test_header_that_does_not_fit_names_the_column() -> None:
    with pytest.raises(MappingError, match="'Known'"):
        read(table().replace(b"Known,", b""))


def test_rows_that_cannot_be_cut_or_placed_say_why_and_neighbours_go_on() -> None:
    entries = read(table("1,S1,2026-01-05", ",S1,2026-01-05,,,,2026-02-01,A", "3,S1,2026-01-05,,,,2026-02-01,A"))
    assert len(facts(entries)) == 1
    cut, placed = sorted(refused(entries), key=lambda reason: "row 3" in reason)
    assert "row 2" in cut
    assert "8 cells" in cut
    assert "row 3" in placed
    assert "column 'Subject'" in placed


def test_odm_mapping_needs_one_meaning_for_each_item() -> None:
    text = "twinstream_map: 1\nfamily: enrollment\nform: odm\nname: o\nsource: s\nitems:\n  - {item: I.1}\n"
    with pytest.raises(MappingError, match="one of"):
        read_enrollment_mapping(text, "m")
    assert isinstance(read_enrollment_mapping(text.replace("I.1}", "I.1, site: true}"), "m"), OdmMapping)
    with pytest.raises(MappingError, match="arm"):
        read_enrollment_mapping(text.replace("I.1}", "I.ARMCD, stratum: true}"), "m")
