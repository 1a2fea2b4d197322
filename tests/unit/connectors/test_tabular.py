"""A table by its mapping: order, ids, batches, feeds, samples, phases, quality, and rows that nobody can read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import tabular
from connectors.checks import check_entries, check_ids_are_stable, check_is_resumable, check_parse_is_pure
from connectors.mapping import Mapping, load_mapping, read_mapping
from connectors.outgoing import BadLine, Entry
from connectors.tabular import TabularSource, open_table, parse
from schemas.bioreactor import BatchStarted, FeedAdded, Reading, SampleDrawn
from schemas.errors import InputError, MappingError, UsageError
from schemas.events import Event, read_structured
from schemas.fields import Quantity
from schemas.instants import format_instant
from tests.unit.connectors.plate import ROOT, plate_csv, small_map

YEAST_MAP = ROOT / "examples" / "biolector_yeast.map.yaml"


def small(**parts: str) -> Mapping:
    return read_mapping(small_map(**parts), "small")


def read(text: str, mapping: Mapping) -> list[Entry]:
    entries = parse(text.encode(), mapping)
    check_entries(entries)
    return entries


def events(entries: list[Entry]) -> list[Event]:
    assert all(isinstance(entry, Event) for entry in entries), [e for e in entries if isinstance(e, BadLine)]
    return [entry for entry in entries if isinstance(entry, Event)]


def kinds(entries: list[Entry]) -> list[str]:
    return [entry.type.removeprefix("bioreactor.") if isinstance(entry, Event) else "bad" for entry in entries]


def reason(entry: Entry) -> str:
    assert isinstance(entry, BadLine)
    with pytest.raises(InputError) as error:
        read_structured(entry.raw)
    return str(error.value)


def test_plate_keeps_the_mass_balance_of_its_volume() -> None:
    found = events(read(plate_csv(), load_mapping(YEAST_MAP)))
    volume: dict[str, float] = {}
    checked = 0
    for event in found:
        data = event.data
        if isinstance(data, BatchStarted):
            assert data.volume is not None
            volume[event.subject] = data.volume.value
        elif isinstance(data, FeedAdded):
            volume[event.subject] += data.volume.value
        elif isinstance(data, SampleDrawn):
            volume[event.subject] -= data.volume.value
        elif isinstance(data, Reading):
            told = next(channel.value for channel in data.channels if channel.tag == "volume")
            assert told == pytest.approx(volume[event.subject], abs=1e-9)
            checked += 1
    assert checked == 3 * 12


def test_sample_comes_after_the_reading_of_its_row_and_feed_before() -> None:
    of_row = [event for event in events(read(plate_csv(), load_mapping(YEAST_MAP))) if event.id.startswith("14-")]
    assert [event.id for event in of_row] == ["14-feed", "14-reading", "14-sample"]
    assert len({event.event_time for event in of_row}) == 1
    assert of_row[2].data == SampleDrawn(Quantity(100.0, "uL"), "C01 cycle 149.0")


def test_batch_begins_with_volume_and_planned_end_and_ends_with_its_last_row() -> None:
    found = events(read(plate_csv(wells=2, cycles=5), load_mapping(YEAST_MAP)))
    started, ended = found[0], found[-1]
    assert started.data == BatchStarted(
        batch="Yeast_strain_1 C01",
        volume=Quantity(800.0, "uL"),
        planned_end=format_instant(ended.event_time),
        recipe="exponential feed 0.1 per h",
        product="Yeast_strain_1",
        clock="source",
    )
    assert (ended.type, ended.subject) == ("bioreactor.batch_ended", "D01")


def test_time_passes_every_half_hour_of_the_recording() -> None:
    passed = [event for event in events(read(plate_csv(), load_mapping(YEAST_MAP))) if event.type == "time.passed"]
    assert [(event.subject, format_instant(event.event_time)[11:19]) for event in passed] == [
        ("", "15:00:00"),
        ("", "15:30:00"),
    ]


def test_each_unit_counts_its_own_sequence_without_gaps() -> None:
    found = [event for event in events(read(plate_csv(), load_mapping(YEAST_MAP))) if event.subject]
    for subject in {event.subject for event in found}:
        own = [event.sequence for event in found if event.subject == subject]
        assert own == list(range(len(own)))


@pytest.mark.parametrize("packed", [False, True])
def test_source_gives_the_same_ids_and_resumes(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("plate.csv.gz" if packed else "plate.csv")
    path.write_bytes(gzip.compress(plate_csv().encode()) if packed else plate_csv().encode())
    mapping = load_mapping(YEAST_MAP)
    check_ids_are_stable(lambda: TabularSource(path, mapping))
    check_is_resumable(lambda: TabularSource(path, mapping))
    streamed = [entry for item in TabularSource(path, mapping).items() for entry in item.entries]
    assert streamed == parse(plate_csv().encode(), mapping)


def test_first_pass_counts_rows_units_and_order(tmp_path: Path) -> None:
    path = tmp_path / "plate.csv"
    path.write_text(plate_csv(wells=4, cycles=3))
    found = TabularSource(path, load_mapping(YEAST_MAP)).survey
    assert (found.rows, found.bad_rows, found.in_order, len(found.spans)) == (12, 0, True, 4)


def test_rows_out_of_order_are_sorted_by_time_and_then_by_line() -> None:
    text = "unit,h,x\nA,0,1\nA,1,2\nB,0,3\nB,1,4\n"
    found = events(read(text, small()))
    assert [(e.subject, e.id) for e in found] == [
        ("A", "2-reading"),
        ("B", "4-reading"),
        ("A", "3-reading"),
        ("B", "5-reading"),
    ]
    as_they_stand = events(read(text, small(order="file")))
    assert [e.id for e in as_they_stand] == ["2-reading", "3-reading", "4-reading", "5-reading"]


def test_last_row_in_time_ends_the_batch_wherever_it_stands() -> None:
    found = events(read("unit,h,x\nA,1,1\nA,0,2\n", small(batch="{name: '{unit}-1'}")))
    assert [event.id for event in found] == ["3-start", "3-reading", "2-reading", "2-end"]


def test_file_too_big_to_sort_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "LARGEST_UNSORTED", 1)
    with pytest.raises(UsageError, match="order: file"):
        read("unit,h,x\nA,1,1\nA,0,2\n", small())


def test_new_batch_name_begins_the_next_batch_of_a_unit() -> None:
    mapping = small(header="{columns: [unit, h, x, run]}", batch='{name: "{run}", planned_end: 8.0}')
    found = events(read("unit,h,x,run\nA,0,1,r1\nA,1,1,r1\nA,2,1,r2\n", mapping))
    assert [event.id for event in found] == [
        "2-start", "2-reading", "3-reading", "3-end", "4-start", "4-reading", "4-end",
    ]  # fmt: skip
    assert found[4].data.planned_end == "2026-01-01T10:00:00Z"


def test_bad_cell_costs_itself_alone() -> None:
    mapping = small(
        header="{columns: [unit, h, x, y]}",
        channels='[{column: x, tag: biomass, unit: g/L}, {column: y, tag: ph, unit: "[pH]"}]',
    )
    bad, good = read("unit,h,x,y\nA,0,1,o.k.\n", mapping)
    assert "Expected `float`" in reason(bad)
    assert isinstance(good, Event)
    assert [channel.tag for channel in good.data.channels] == ["biomass"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("A,later,1", "received 'later'"),
        ("A,0", "expected 3 cells, received 2"),
        ("A,0,1,2", "expected 3 cells, received 4"),
        (",0,1", "expected an id"),
        ('A,0,"1', "expected a row of cells"),
        ("A\x01,0,1", "expected an id"),
        ("A,0," + "1" * 300_000, "at most 200000 characters"),
        ("A,1e99,1", "received '1e99'"),
    ],
)
def test_row_that_cannot_be_placed_is_refused_with_its_reason_and_kept(row: str, said: str) -> None:
    entries = read(f"unit,h,x\nA,0,1\n{row}\nA,1,2\n", small())
    assert kinds(entries) == ["reading", "bad", "reading"]
    assert said in reason(entries[1])
    assert isinstance(entries[1], BadLine)
    assert json.loads(entries[1].raw)["data"]["line"] == 3


def test_missing_values_are_left_out_and_a_row_of_none_says_nothing() -> None:
    text = "unit,h,x\nA,0,NaN\nA,1,\nA,2,-\nA,3,4\n\n"
    entries = read(text, small(table='{missing: ["", NaN, "-"]}'))
    assert [entry.id for entry in events(entries)] == ["5-reading"]


def test_accumulated_feed_gives_the_rise_and_refuses_a_fall() -> None:
    mapping = small(header="{columns: [unit, h, f]}", channels="", feed="[{column: f, unit: mL, kind: accumulated}]")
    entries = read("unit,h,f\nA,0,5\nA,1,7\nA,2,x\nA,3,8\nA,4,2\nA,5,2\nA,6,3\n", mapping)
    assert kinds(entries) == ["feed_added", "bad", "feed_added", "bad", "feed_added"]
    amounts = [entry.data.volume.value for entry in entries if isinstance(entry, Event)]
    assert amounts == [2.0, 1.0, 1.0]
    assert "Expected `float`" in reason(entries[3])


def test_fixed_initial_volume_is_from_before_the_first_feed() -> None:
    mapping = small(
        header="{columns: [unit, h, f]}",
        channels="",
        feed="[{column: f, unit: uL, kind: accumulated}]",
        batch="{name: b, volume: {value: 800.0, unit: uL}, ends: false}",
    )
    found = events(read("unit,h,f\nA,0,0.32\nA,1,0.5\n", mapping))
    assert [event.data.volume.value for event in found] == [800.0, 0.32, pytest.approx(0.18)]


def test_increments_are_fed_as_they_are() -> None:
    mapping = small(header="{columns: [unit, h, f]}", channels="", feed="[{column: f, unit: L, kind: increment}]")
    entries = read("unit,h,f\nA,0,0.5\nA,1,0\nA,2,-1\nA,3,0.25\n", mapping)
    assert kinds(entries) == ["feed_added", "bad", "feed_added"]


def test_sample_is_told_by_the_fall_of_the_volume_beyond_the_feed() -> None:
    mapping = small(
        header="{columns: [unit, h, f, v]}",
        channels="[{column: v, tag: volume, unit: uL}]",
        feed="[{column: f, unit: uL, kind: accumulated}]",
        sample="{volume_column: v, smallest: 50.0, unit: uL}",
    )
    found = events(read("unit,h,f,v\nA,0,0,800\nA,1,5,805\nA,2,9,,\n".replace(",,\n", ",\n") + "A,3,10,510\n", mapping))
    samples = [(event.id, event.data.volume.value) for event in found if event.type.endswith("sample_drawn")]
    assert samples == [("5-sample", 300.0)]
    assert [event.id for event in found][-3:] == ["5-sample", "5-feed", "5-reading"]


def test_sample_before_the_reading_where_the_mapping_says_so() -> None:
    mapping = small(header="{columns: [unit, h, x, s]}", sample="{column: s, unit: mL, drawn: before, name: 'S{row}'}")
    entries = read("unit,h,x,s\nA,0,1,2\nA,1,1,\nA,2,1,-3\n", mapping)
    assert kinds(entries) == ["sample_drawn", "reading", "reading", "bad", "reading"]
    assert entries[0].data.sample == "S2"  # type: ignore[union-attr]


def test_phase_is_told_when_it_changes() -> None:
    mapping = small(header="{columns: [unit, h, x, p]}", phase='{column: p, names: {"False": batch, "True": fed}}')
    found = events(read("unit,h,x,p\nA,0,1,False\nA,1,1,False\nA,2,1,True\nA,3,1,\nA,4,1,other\n", mapping))
    assert [(e.id, e.data.phase) for e in found if e.type.endswith("phase_changed")] == [
        ("2-phase", "batch"),
        ("4-phase", "fed"),
        ("6-phase", "other"),
    ]


def test_quality_is_the_worse_of_status_and_range() -> None:
    rule = "{column: q, good: [ok], uncertain: [old], low: 0.0, high: 10.0, outside: uncertain}"
    mapping = small(
        header="{columns: [unit, h, x, q]}", channels=f"[{{column: x, tag: biomass, unit: g/L, quality: {rule}}}]"
    )
    found = events(read("unit,h,x,q\nA,0,1,ok\nA,1,11,ok\nA,2,1,old\nA,3,11,broken\nA,4,1,\n", mapping))
    assert [event.data.channels[0].quality for event in found] == ["good", "uncertain", "uncertain", "bad", "bad"]


def test_semicolons_decimal_commas_preamble_and_two_time_columns() -> None:
    mapping = small(
        table='{delimiter: ";", decimal: ",", skip_lines: 2, encoding: cp1252}',
        header='{columns: ["Gerät", Datum, Zeit, x]}',
        subject='"{Gerät}"',
        time='{column: "{Datum} {Zeit}", format: "%d.%m.%Y %H:%M:%S", zone: "+01:00"}',
    )
    text = 'Export vom 3.\r\n\r\nGerät;Datum;Zeit;x\r\nA;03.03.2022;12:00:00;"1,5"\r\n'
    (event,) = parse(text.encode("cp1252"), mapping)
    assert isinstance(event, Event)
    assert (format_instant(event.event_time), event.data.channels[0].value) == ("2022-03-03T11:00:00Z", 1.5)


def test_utf_16_export_is_read() -> None:
    entries = parse("unit,h,x\nA,0,1\n".encode("utf-16"), small(table="{encoding: utf-16}"))
    assert kinds(entries) == ["reading"]


def test_bytes_of_another_encoding_cost_their_row_only() -> None:
    entries = parse(b"unit,h,x\nA,0,1\nA,1,\xff\nA,2,3\n", small())
    assert kinds(entries) == ["reading", "bad", "reading"]


def test_subject_too_long_for_a_source_name_keeps_its_own() -> None:
    units = ["u" * 120 + "1", "u" * 120 + "2"]
    found = events(read("unit,h,x\n" + "".join(f"{unit},0,1\n" for unit in units), small()))
    assert len({event.source for event in found}) == 2


@pytest.mark.parametrize("text", ["", "\n", "unit,h\n", "a,b,c\n"])
def test_file_without_the_header_is_an_error(text: str) -> None:
    with pytest.raises(MappingError):
        parse(text.encode(), small())


def test_open_table_chooses_by_the_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("unit,h,x\nA,0,1\n")
    tabs = small(name="tabs", table='{delimiter: "\\t"}')
    assert open_table(path, None, [tabs, small()]).mapping.name == "small"
    with pytest.raises(MappingError, match="--map"):
        open_table(path, None, [tabs])
    with pytest.raises(MappingError, match="received 2"):
        open_table(path, None, [small(), small()])


def test_cut_gzip_and_changed_file_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(plate_csv().encode())[:-20])
    with pytest.raises(UsageError, match="expected a whole file"):
        list(TabularSource(path, load_mapping(YEAST_MAP)).items())
    path.write_bytes(gzip.compress(plate_csv().encode()))
    source = TabularSource(path, load_mapping(YEAST_MAP))
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(UsageError, match="stay as it was"):
        list(source.items())


@given(st.lists(st.text(alphabet='A0123.,"\n\x00-eNé', max_size=12), max_size=8))
def test_any_rows_never_raise_and_parse_is_pure(rows: list[str]) -> None:
    payload = ("unit,h,x\n" + "\n".join(rows)).encode()
    check_parse_is_pure(lambda body: parse(body, MAPPING), payload)
    check_entries(parse(payload, MAPPING))


MAPPING = small(batch='{name: "{unit}", volume: {column: x, unit: L}}')
