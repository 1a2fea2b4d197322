"""The sections of the page, one function each: report and clock in, markup out."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import InvalidFieldError
from schemas.instants import HOUR, format_instant, parse_instant
from streams.run_report.document import AssayWord, Deviation, ModelCard, RunReport
from streams.run_report.markup import Content, Markup, el, join
from streams.run_report.plot import chart
from streams.run_report.tables import Clock, interval, num, number, pairs, source, table

INSIDE = {True: "inside", False: el("strong", "outside"), None: "none was given"}
SIGNATURES = ("Prepared", "Reviewed", "Approved")


def identity(report: RunReport, clock: Clock) -> Markup:
    """Say what the report is of."""
    of = report.identity
    begun = ", ".join(of.batches) or "none"
    rows: list[tuple[str, Content]] = [
        ("Unit", of.unit),
        ("Batch", of.batch if of.batch is not None else f"a period of the unit's life; batches begun in it: {begun}"),
        ("Product", of.product or "not said"),
        ("Recipe", of.recipe or "not said"),
        ("Volume at start", of.volume or "not said"),
        ("Start", [clock.time(of.start), " ", _place(of.started)]),
        ("End", [clock.time(of.end), " ", _end(report)]),
        ("Planned end", _moment(of.planned_end, clock)),
        ("Duration", f"{number(of.hours)} h"),
    ]
    phases = [
        [el("th", one.name, scope="row"), clock.time(one.start), clock.time(one.end), num(one.hours, "h"),
         source(one.source)]
        for one in of.phases
    ]  # fmt: skip
    return join(
        pairs("Identity", rows),
        table("Phases", ("Phase", "Start", "End", "Duration", "Record"), phases, "No phase was said."),
    )


def origin(report: RunReport, clock: Clock) -> Markup:
    """Say what the report was made from."""
    of = report.origin
    rows: list[tuple[str, Content]] = [
        ("Known at", [clock.time(of.known_at), " (the log's append time: nothing known later is in this report)"]),
        ("Topic and partition", [el("code", of.topic), f", partition {of.partition}"]),
        ("Offsets", "none" if of.first_offset is None else f"{of.first_offset} to {of.last_offset}"),
        ("Records of this unit", str(of.records)),
        ("Event times", _range(of.event_time, clock)),
        ("Known", _range(of.known, clock)),
        ("Audit trail", el("code", of.audit) if of.audit else "no row of it was written by then"),
    ]
    by_type = [
        [el("code", one.what), num(one.count), num(one.first_offset), num(one.last_offset)] for one in of.by_type
    ]
    effects = [
        [one.what, num(one.count), num(one.first_offset), num(one.last_offset), source(one.digest)]
        for one in of.effects
    ]
    anchors = [
        [num(one.next_offset), clock.time(one.created_at), el("code", one.model), source(one.sha256),
         ", ".join(f"{name} {value}" for name, value in sorted(one.program.items()))]
        for one in report.anchors
    ]  # fmt: skip
    return join(
        pairs("Origin", rows),
        table("Records by type", ("Type", "Records", "First offset", "Last offset"), by_type, "No record."),
        table(
            "Effects by kind, with the SHA-256 over the SHA-256 of each canonical line in order",
            ("Kind", "Effects", "First offset", "Last offset", "Digest"), effects, "No effect.",
        ),
        table(
            "Kept states from which these records can be folded again, and what computed them (not part of the id:"
            " they are dropped after a time)",
            ("Next offset", "Taken", "Model", "SHA-256", "Program"), anchors, "No state is kept.",
        ),
    )  # fmt: skip


def models(report: RunReport, clock: Clock) -> Markup:
    """Say which models made the numbers, and show their cards."""
    uses = [
        [clock.time(one.event_time), clock.time(one.known_at), el("code", one.model), one.lane,
         el("code", one.process) if one.process else "none", source(one.source)]
        for one in report.models
    ]  # fmt: skip
    note = ""
    if len({(one.model, one.process) for one in report.models}) > 1:
        note = "The model changed within the run: see from which effect on which one counts."
    return join(
        el("p", note, class_="note") if note else None,
        table(
            "Models in the order of the log; the hash in the name covers the whole configuration",
            ("From (event time)", "Known", "Model", "Lane", "Process model", "First effect"), uses,
            "No estimate was made.",
        ),
        [_card(card) for card in report.cards],
    )  # fmt: skip


def results(report: RunReport, clock: Clock) -> Markup:
    """Show what was believed: charts, the end in full, and the course as a table."""
    of = report.identity
    start = parse_instant(of.start)
    phases = [((parse_instant(one.start) - start) / HOUR, one.name) for one in of.phases]
    figures = []
    for course in report.courses:
        title = (
            f"{words(course.quantity)} [{course.unit}] over {number(of.hours)} h: mean and 90 % band, last"
            f" {number(course.mean[-1])} [{number(course.low[-1])}; {number(course.high[-1])}] {course.unit}"
        )
        legend = [title]
        legend += ["; circles: measured"] if course.measured else []
        legend += ["; squares: assays that count; crosses: assays that no longer count"] if course.assays else []
        figures.append(el("figure", chart(course, title, of.hours, phases), el("figcaption", legend, ".")))
    tables = []
    if report.results:
        last = report.results[-1]
        rows = [
            [el("th", words(name), scope="row"), num(one.mean, one.unit), num(one.sd),
             el("td", f"{number(one.low)} to {number(one.high)}", class_="n"), source(last.source)]
            for name, one in last.beliefs.items()
        ]  # fmt: skip
        tables.append(table("What was believed last", ("Quantity", "Mean", "Standard deviation", "90 % interval",
                                                       "Effect"), rows, ""))  # fmt: skip
        tables.append(el("p", "At ", clock.time(last.event_time), ", known ", clock.time(last.known_at), "."))
    names = list(dict.fromkeys(name for row in report.results for name in row.beliefs))
    tables += [_course(report, names[i : i + 4], clock) for i in range(0, len(names), 4)]
    if not report.results:
        tables.append(el("p", "Nothing was believed of this unit in the period.", class_="soft"))
    return join(figures, tables)


def forecasts(report: RunReport, clock: Clock) -> Markup:
    """Hold forecasts against what came."""
    rows = [
        [el("td", f"{one.share:.0%}"), clock.time(one.made_at), words(one.quantity), clock.time(one.target),
         interval(one.median, one.low, one.high, one.unit), interval(one.came, one.came_low, one.came_high, one.unit),
         INSIDE[one.inside], source(one.source, one.came_source)]
        for one in report.forecasts
    ]  # fmt: skip
    return join(
        el("p", "The forecast is the one that was first said, not one that later facts revised. It is held against the "
           "newest belief at the farthest of its times that the run reached.", class_="soft"),
        table(
            "Forecasts at half and at 80 % of the run",
            ("At", "Made", "Quantity", "For", "Forecast", "Came", "90 % interval", "Effects"), rows,
            "No forecast was made by then.",
        ),
    )  # fmt: skip


def assays(report: RunReport, clock: Clock) -> Markup:
    """Show all that was said of assays, and what was fed."""
    rows = []
    for assay in report.assays:
        for word in assay.words:
            rows.append(
                [el("th", assay.sample, scope="row"), assay.tag, clock.time(assay.sample_time), _value(word),
                 word.standing, clock.time(word.record_time), clock.time(word.known_at),
                 [word.method, " " if word.method and word.reason else "", word.reason], source(word.source, word.by)]
            )  # fmt: skip
    feeds = [
        [el("th", one.feed, scope="row"), num(one.count), num(one.total, one.unit), clock.time(one.first),
         clock.time(one.last), el("td", f"{one.first_offset} to {one.last_offset}", class_="n")]
        for one in report.feeds
    ]  # fmt: skip
    return join(
        table(
            "Assays; values that no longer count are struck through",
            ("Sample", "Tag", "Sample drawn", "Value", "Standing", "Recorded", "Known to the log", "Method, reason",
             "Record, source"), rows, "No assay was reported.",
        ),
        table("Feeds", ("Feed", "Additions", "Sum", "First", "Last", "Offsets"), feeds, "No feed was reported."),
    )  # fmt: skip


def deviations(report: RunReport, clock: Clock) -> Markup:
    """Give every deviation a box for its assessment."""
    why = "Every alarm at an action limit or a proven range, and every alarm of critical or high priority."
    if not report.deviations:
        return join(el("p", why, class_="soft"), el("p", "None was found in the period."))
    return join(el("p", why, class_="soft"), [_deviation(i, one, clock) for i, one in enumerate(report.deviations, 1)])


def alarms(report: RunReport, clock: Clock) -> Markup:
    """List all alarms."""
    rows = [
        [el("th", one.rule, scope="row"), one.priority, clock.time(one.raised),
         clock.time(one.cleared) if one.cleared else "standing",
         el("td", "–" if one.seconds is None else f"{number(one.seconds / 60)} min", class_="n"),
         num(one.value, one.unit), num(one.limit, one.unit),
         el("td", el("code", one.suppressed_by)) if one.suppressed_by else "no", one.message,
         source(one.id, one.cleared_by)]
        for one in report.alarms
    ]  # fmt: skip
    return table(
        "All alarms",
        ("Rule", "Priority", "Raised", "Cleared", "Duration", "Value", "Limit", "Suppressed by", "Message", "Effects"),
        rows, "No alarm was raised.",
    )  # fmt: skip


def set_aside(report: RunReport, clock: Clock) -> Markup:
    """Count what was not used, and show where nothing was measured."""
    rejects = [
        [el("th", one.reason, scope="row"), "this unit" if one.own else "unit not readable", num(one.count),
         num(one.first_offset), num(one.last_offset), el("code", one.example)]
        for one in report.rejects
    ]  # fmt: skip
    gaps = [
        [clock.time(one.start), clock.time(one.end), num(one.seconds / 60, "min"), source(one.after, one.before)]
        for one in report.gaps
    ]
    return join(
        table(
            "Rejected and late facts, by reason; as they came they are on the topic's .dlq and .late",
            ("Reason", "Whose", "Count", "First offset", "Last offset", "First received"), rejects,
            "Nothing was set aside.",
        ),
        table(
            f"Stretches of more than {number(report.gap_seconds / 60)} min without a reading",
            ("From", "To", "Length", "Records"), gaps,
            f"No stretch of more than {number(report.gap_seconds / 60)} min without a reading.",
        ),
    )  # fmt: skip


def signatures(report: RunReport, clock: Clock) -> Markup:
    """Give places to sign on paper."""
    rows = [[el("th", one, scope="row"), "", "", ""] for one in SIGNATURES]
    sheet = table("Not signed. To be signed by hand on the printed report", ("", "Name", "Signature", "Date"), rows, "")
    return el("div", sheet, class_="box sign")


def words(quantity: str) -> str:
    """Name a quantity for people; that of a process model says so.

    Examples
    --------
    >>> words("process.viable_cells"), words("growth_rate")
    ('viable cells (process model)', 'growth rate')
    """
    plain = quantity.removeprefix("process.").replace("_", " ")
    return f"{plain} (process model)" if quantity.startswith("process.") else plain


def _course(report: RunReport, names: Sequence[str], clock: Clock) -> Markup:
    rows: list[list[Content]] = []
    for row in report.results:
        beliefs = [row.beliefs.get(name) for name in names]
        cells = [el("td", "–") if one is None else interval(one.mean, one.low, one.high, one.unit) for one in beliefs]
        why = row.why + (" (revised)" if row.revised else "")
        why += " (filter not consistent)" if row.consistent is False else ""
        rows.append([el("th", why, scope="row"), clock.time(row.event_time), *cells, source(row.source)])
    caption = f"Every {number(report.step_hours)} h, at ends of phases and at the end"
    return table(caption, ("At", "Event time", *map(words, names), "Effect"), rows, "")


def _deviation(place: int, one: Deviation, clock: Clock) -> Markup:
    rows: list[tuple[str, Content]] = [
        ("Why", f"{one.why}: {one.message}"),
        ("Rule", el("code", one.rule)),
        ("Batch and phase", f"{one.batch or 'none'}, {one.phase or 'no phase'}"),
        ("From, to", [clock.time(one.start), " to ", clock.time(one.end) if one.end else "the end: still standing"]),
        ("Limit", f"{number(one.limit)} {one.unit}"),
        (
            "Farthest value",
            "none was read" if one.excursion is None or one.excursion_at is None
            else [f"{number(one.excursion)} {one.excursion_unit}, at ", clock.time(one.excursion_at)],
        ),
        ("Suppressed by", el("code", one.suppressed_by) if one.suppressed_by else "no"),
        ("Sources", [el("code", one.alarm), " ", _place(one.excursion_source)]),
    ]  # fmt: skip
    return el(
        "div", el("h3", f"Deviation {place}: {one.rule}"), pairs(f"Deviation {place}", rows),
        el("div", pairs(f"Assessment of deviation {place} (by hand)", [("Assessment, by, date", "")]), class_="box"),
        class_="sign",
    )  # fmt: skip


def _card(card: ModelCard) -> Markup:
    rows = [
        [el("th", one.name, scope="row"), num(one.value), one.unit, one.origin,
         [one.meaning, "; " if one.meaning else "", one.source],
         "–" if one.believed is None or one.low is None or one.high is None
         else el("td", f"{number(one.believed)} [{number(one.low)}; {number(one.high)}]", class_="n"),
         "–" if one.seen is None else "seen" if one.seen else "unsure: the data have not told of it"]
        for one in card.parameters
    ]  # fmt: skip
    return el(
        "div", el("h3", f"Model card: {card.name}"), el("p", card.title),
        el("p", card.note, class_="note") if card.note else None,
        el("pre", "\n".join(card.equations)) if card.equations else None,
        el("p", "Source: ", card.source) if card.source else None,
        el("p", "Valid for: ", card.valid, ".") if card.valid else None,
        el("p", "Not valid for: ", card.not_valid, ".") if card.not_valid else None,
        table(
            f"Parameters of {card.name}",
            ("Parameter", "Value", "Unit", "From", "Meaning and source", "The run showed", "Of the data"), rows,
            "No parameter can be shown.",
        ),
    )  # fmt: skip


def _value(word: AssayWord) -> Markup:
    if word.value is None:
        return el("td", "taken back")
    said = f"{number(word.value)} {word.unit}"
    return el("td", said if word.standing == "counts" else el("s", said), class_="n")


def _place(place: str | None) -> Markup | None:
    return None if place is None else el("code", place)


def _end(report: RunReport) -> Content:
    of = report.identity
    if of.batch is None:
        return None
    if of.ended is None:
        return "(no end of the batch is known: the last that is known, or the next batch's start)"
    return [of.end_reason, " " if of.end_reason else "", _place(of.ended)]


def _moment(text: str | None, clock: Clock) -> Content:
    """Write a time that somebody else said, as it was said where it cannot be read."""
    if text is None:
        return "not said"
    try:
        return clock.time(format_instant(parse_instant(text)))
    except InvalidFieldError:
        return text


def _range(ends: tuple[str, str] | None, clock: Clock) -> Content:
    return "none" if ends is None else [clock.time(ends[0]), " to ", clock.time(ends[1])]
