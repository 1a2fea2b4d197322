"""Run reports from real ledgers: what was known when, every word on an assay, and the same bytes for the same facts."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.instants import HOUR, parse_instant
from streams.changing import keep
from streams.ledger.connect import connect
from streams.run_report import NoSuchRunError, RunReport, report_id, write_html, write_json
from streams.run_report.markup import VOID
from tests.support.engines import rows_of
from tests.unit.streams.run_report.made import EXAMPLES, ledger, records_of, records_of_file, report
from tests.unit.twins.bioreactor.script import BEGIN, Script
from twins.bioreactor import BioreactorModel

pytestmark = pytest.mark.postgres
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
TURNED = "A\u202eB"
LIMITS: dict[str, Any] = {
    "limits": [
        {"tag": "ph", "unit": "[pH]", "alarm": {"low": 6.9}, "action": {"low": 6.8}, "proven": {"low": 6.6}},
        {"tag": "temperature", "unit": "Cel", "high": 38.0, "priority": "low"},
        {"tag": "stirrer_speed", "low": 100.0, "unit": "1", "priority": "critical"},
        {"tag": "dissolved_oxygen", "low": 20.0, "unit": "%", "priority": "high"},
    ],
    "consequences": [{"cause": "stirrer_speed.low.measured", "effect": "dissolved_oxygen.low.measured"}],
}


@pytest.fixture(scope="module")
def late(postgres_server: Any) -> str:
    """The example with a late, a corrected and a withdrawn assay."""
    return ledger(postgres_server, records_of_file("late_assay.jsonl"))


@pytest.fixture(scope="module")
def cho(postgres_server: Any) -> str:
    """The example with a process model."""
    return ledger(postgres_server, records_of_file("cho_run.jsonl"), cho_config())


@pytest.fixture(scope="module")
def troubled(postgres_server: Any) -> str:
    """Two batches of one unit: one with phases, deviations, a gap and hostile names; one that only began."""
    script = Script("BR-<1>")
    script.start(
        batch=HOSTILE,
        product=TURNED,
        recipe="a & b",
        planned_end="2026-03-01T11:00:00+01:00",
        parameters={"gain_sd": 0.1},
    )
    script.phase(60, "<b>grow</b>")
    for minute in range(2, 60):
        values: dict[str, Any] = {"ph": 6.5 if minute == 20 else 6.75 if 18 < minute < 25 else 7.0}
        values |= {"temperature": 39.0} if minute == 30 else {"temperature": 37.0}
        values |= {"stirrer_speed": 0.0, "dissolved_oxygen": 5.0} if 40 < minute < 44 else {"stirrer_speed": 300.0}
        values |= {"dissolved_oxygen": 60.0} if minute in (10, 50) else {}
        script.read(minute * 60, 1.0 + minute / 100, **values)
    script.read(59 * 60, 1.59, also={"id": script.events[-1].id})  # a duplicate
    script.feed(3550, 0.01)
    script.feed(3560, 0.02)
    script.phase(3600, "rest")
    script.sample(3590, 0.005, name=HOSTILE)
    script.assay(3590, 1.61, name=HOSTILE, known=3700)
    script.read(7200, 1.7)
    script.end(7300, batch=HOSTILE)
    script.start(8000, batch="B-empty")
    return ledger(postgres_server, records_of(script.events), LIMITS)


def cho_config() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EXAMPLES / "cho.json").read_text())
    return document


def text_of(made: RunReport) -> str:
    return write_html(made).decode()


class Checker(HTMLParser):
    """Fails where a tag is closed that is not open, an id stands twice, or a picture or a table has no name."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: dict[str, int] = {}
        self.scripts: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.scripts += [name for name in given if name.startswith("on")] + [tag] * (tag in ("script", "img", "link"))
        if "id" in given:
            self.ids.append(str(given["id"]))
        for name in ("href", "aria-labelledby"):
            if name in given:
                self.references.append(str(given[name]).removeprefix("#"))
        if given.get("role") == "img":
            assert given.get("aria-label")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check_page(made: RunReport) -> Checker:
    checker = Checker()
    checker.feed(text_of(made))
    checker.close()
    assert checker.open == []
    assert len(set(checker.ids)) == len(checker.ids)
    assert set(checker.references) <= set(checker.ids)
    assert checker.scripts == []
    assert checker.tags["h1"] == 1
    assert checker.tags["caption"] == checker.tags["table"]
    return checker


def test_every_word_on_an_assay_stays_and_what_no_longer_counts_is_struck(late: str) -> None:
    made = report(late, "BR-102", "B-2602")
    words = {one.sample: [(word.value, word.standing) for word in one.words] for one in made.assays}
    assert words == {
        "B-2602-S1": [(1.173, "counts")],
        "B-2602-S2": [(2.98, "superseded"), (1.553, "counts")],
        "B-2602-S3": [(0.847, "withdrawn"), (None, "withdrawal")],
    }
    page = text_of(made)
    assert "<s>2.98 g/L</s>" in page
    assert "<s>0.847 g/L</s>" in page
    assert "<s>1.553 g/L</s>" not in page
    assert "vial was mislabelled" in page
    drawn = rows_of(late, "select rec_offset from fact where type = 'bioreactor.sample_drawn' order by rec_offset")
    assert [one.drawn for one in made.assays] == [f"bioreactor.events/3/{offset}" for (offset,) in drawn]


def test_the_past_is_shown_as_it_was_known(late: str) -> None:
    before = report(late, "BR-102", known_at="2026-03-02T12:00:00Z")
    assert before.origin.known_at == "2026-03-02T12:00:00Z"
    assert [[word.standing for word in one.words] for one in before.assays] == [["counts"], ["counts"]]
    assert before.assays[1].words[0].value == 2.98
    now = report(late, "BR-102")
    assert before.results[3].event_time == now.results[3].event_time
    assert before.results[3].beliefs != now.results[3].beliefs  # an assay that was wrong then moved it
    assert now.results[3].revised
    assert all(parse_instant(row.known_at) <= parse_instant("2026-03-02T12:00:00Z") for row in before.results)
    assert report_id(before) != report_id(now)
    with pytest.raises(NoSuchRunError, match="in that period at that moment"):
        report(late, "BR-102", known_at="2026-03-02T05:00:00Z")


def test_the_same_facts_and_moment_give_the_same_bytes_in_any_ledger(late: str, postgres_server: Any) -> None:
    first, again = report(late, "BR-102"), report(late, "BR-102")
    assert write_html(first, 60) == write_html(again, 60)
    assert write_json(first) == write_json(again)
    assert write_json(first) == write_json(report(late, "BR-102", "B-2602", known_at=first.origin.known_at))
    other = report(ledger(postgres_server, records_of_file("late_assay.jsonl")), "BR-102")
    assert report_id(other) == report_id(first)  # its anchor was taken at another time
    assert replace(other, anchors=()) == replace(first, anchors=())
    assert report_id(replace(first, step_hours=2.0)) != report_id(first)
    document = msgspec.json.decode(write_json(first))
    assert document["id"] == report_id(first)
    assert document["id"] in text_of(first)


def test_numbers_lead_back_to_effects_that_the_ledger_holds(late: str) -> None:
    made = report(late, "BR-102")
    lines = {
        document["id"]: document
        for (line,) in rows_of(late, "select line from effect")
        for document in [msgspec.json.decode(line)]
    }
    for row in made.results:
        for name, belief in row.beliefs.items():
            assert lines[row.source]["data"]["state"][name]["mean"] == belief.mean
    for check in made.forecasts:
        data = lines[check.source]["data"]
        assert data["values"][check.quantity][data["at"].index(check.target)][2] == check.median
        assert lines[check.came_source]["data"]["state"][check.quantity]["mean"] == check.came
    assert [one.share for one in made.forecasts] == [0.5] * 3 + [0.8] * 3
    counts = {"reading": "select count(*) from reading", "fact": "select count(*) from fact"}
    assert made.origin.records == sum(rows_of(late, query)[0][0] for query in counts.values())
    digest = "encode(sha256(string_agg(sha256(line), ''::bytea order by rec_offset, n)), 'hex')"
    [(wanted,)] = rows_of(late, f"select {digest} from effect where kind = 'estimate'")
    assert next(one.digest for one in made.origin.effects if one.what == "estimate") == wanted


def test_the_card_shows_values_only_of_the_configuration_that_the_run_had(late: str, cho: str) -> None:
    made = report(late, "BR-102")
    [card] = made.cards
    assert card.note == ""
    assert {one.name: one.value for one in card.parameters}["assay_relative_sd"] == 0.05
    other = report(late, "BR-102", config={"parameters": {"assay_relative_sd": 0.2}})
    assert other.cards[0].parameters == ()
    assert made.models[0].model in other.cards[0].note
    assert "(--config)" in text_of(other)
    unit, config = "BR-7", cho_config()
    unit = rows_of(cho, "select key from twin")[0][0]
    growth, process = report(cho, unit, config=config).cards
    assert growth.name.startswith("growth@1+")
    assert process.name == "cho_xing@1"
    assert process.equations[0].startswith("mu = mu_m S/(S+K_S)")
    shown = {one.name: one for one in process.parameters}
    assert shown["mu_m"].value == 0.029
    assert shown["mu_m"].seen is True
    assert shown["Y_XG"].seen is False
    assert shown["K_S"].believed is None
    bare = report(cho, unit).cards[1]
    assert {one.name for one in bare.parameters} == set(config["process"]["unsure"])


def test_the_card_takes_the_configuration_from_the_ledger_whatever_is_at_hand(postgres_server: Any) -> None:
    config = {"parameters": {"assay_relative_sd": 0.2}}
    uri = ledger(postgres_server, records_of_file("late_assay.jsonl")[:200], config)
    with connect(uri, name="test") as connection:
        keep(connection, BioreactorModel.from_config(config))
    made = report(uri, "BR-102")
    assert made.cards[0].note == ""
    assert {one.name: one.value for one in made.cards[0].parameters}["assay_relative_sd"] == 0.2
    assert report_id(made) == report_id(report(uri, "BR-102", config=config))


def test_a_process_model_brings_its_states_into_results_charts_and_forecasts(cho: str) -> None:
    unit = rows_of(cho, "select key from twin")[0][0]
    made = report(cho, unit, config=cho_config())
    assert "process.viable_cells" in made.results[-1].beliefs
    courses = {one.quantity: one for one in made.courses}
    assert len(courses["process.glucose"].assays) > 0
    assert {len(one.hours) - len(one.low) for one in made.courses} == {0}
    assert "process.glucose" in {one.quantity for one in made.forecasts}
    check_page(made)


def test_deviations_have_their_farthest_reading_and_an_empty_box(troubled: str) -> None:
    made = report(troubled, "BR-<1>", HOSTILE, config=LIMITS)
    found = {one.rule: one for one in made.deviations}
    assert set(found) == {
        "ph.low.action",
        "ph.low.proven",
        "stirrer_speed.low.measured",
        "dissolved_oxygen.low.measured",
    }
    assert "temperature.high.measured" in {one.rule for one in made.alarms}  # of low priority: no deviation
    action = found["ph.low.action"]
    assert (action.limit, action.excursion, action.phase) == (6.8, 6.5, "<b>grow</b>")
    assert parse_instant(str(action.excursion_at)) == BEGIN + HOUR // 3
    offset = str(action.excursion_source).rpartition("/")[2]
    assert rows_of(troubled, "select vals @> array[6.5::float8] from reading where rec_offset = %s", offset) == [
        (True,)
    ]
    assert parse_instant(action.start) == BEGIN + 19 * 60_000_000
    assert parse_instant(str(action.end)) == BEGIN + 25 * 60_000_000
    oxygen = found["dissolved_oxygen.low.measured"]
    assert str(oxygen.suppressed_by).startswith(found["stirrer_speed.low.measured"].alarm)
    page = text_of(made)
    assert page.count("Assessment, by, date</th><td></td>") == len(made.deviations)
    for word in ("Prepared", "Reviewed", "Approved"):
        assert f'<th scope="row">{word}</th><td></td><td></td><td></td>' in page


def test_what_was_set_aside_and_what_is_missing_is_counted(troubled: str) -> None:
    made = report(troubled, "BR-<1>", HOSTILE, config=LIMITS)
    assert [(one.reason, one.own, one.count) for one in made.rejects] == [("duplicate", True, 1)]
    [gap] = made.gaps
    assert (gap.seconds, parse_instant(gap.end)) == (3660.0, BEGIN + 2 * HOUR)
    assert [(one.count, round(one.total, 9), one.unit) for one in made.feeds] == [(2, 0.03, "L")]
    assert [(one.name, round(one.hours, 6)) for one in made.identity.phases] == [
        ("<b>grow</b>", round(59 / 60, 6)), ("rest", round(3700 / 3600, 6)),
    ]  # fmt: skip
    assert "end of <b>grow</b>" in [row.why for row in made.results]
    origins = {one.name: one.origin for one in made.cards[0].parameters}
    assert origins["gain_sd"] == f"batch_started, {made.identity.started}"
    assert origins["gain_mean"] == "default"


def test_hostile_names_stay_text_and_turned_ones_are_named(troubled: str) -> None:
    made = report(troubled, "BR-<1>", HOSTILE, config=LIMITS)
    page = text_of(made)
    check_page(made)
    assert HOSTILE not in page
    assert "&lt;img src=x onerror=" in page
    assert "\u202e" not in page
    assert "A[U+202E]B" in page
    assert "2026-03-01 10:00:00Z" in page  # the planned end, in UTC


def test_a_batch_that_only_began_has_a_report_and_the_next_one_leaves_the_one_before_alone(troubled: str) -> None:
    made = report(troubled, "BR-<1>", config=LIMITS)
    assert made.identity.batch == "B-empty"
    assert made.origin.records == 1
    assert sum(map(len, (made.assays, made.alarms, made.gaps, made.feeds))) == 0
    check_page(made)
    before = report(troubled, "BR-<1>", HOSTILE, config=LIMITS)
    assert parse_instant(before.origin.known_at) == BEGIN + 7300 * 1_000_000
    assert before.identity.ended is not None


def test_a_period_of_a_units_life_holds_what_lay_in_it(troubled: str) -> None:
    made = report(troubled, "BR-<1>", start=BEGIN, end=parse_instant("2026-03-02T00:00:00Z"), config=LIMITS)
    assert made.identity.batch is None
    assert made.identity.batches == (HOSTILE, "B-empty")
    assert len(made.deviations) == 4
    check_page(made)


@pytest.mark.parametrize(
    ("unit", "batch", "says"),
    [("BR-404", None, "expected a unit that was heard of"), ("BR-<1>", "B-404", "the newest: .*B-empty.*B-404")],
)
def test_what_is_not_there_is_said(troubled: str, unit: str, batch: str | None, says: str) -> None:
    with pytest.raises(NoSuchRunError, match=says):
        report(troubled, unit, batch)


def test_the_growth_filters_card_says_what_the_documents_say() -> None:
    from streams.run_report import card

    page = " ".join((Path(__file__).resolve().parents[4] / "docs" / "bioreactor.md").read_text().split())
    for text in (*card.EQUATIONS, card.VALID, card.NOT_VALID, card.SOURCE):
        assert " ".join(text.split()).lower() in page.lower()
