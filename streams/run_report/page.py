"""Write a report as one HTML file that prints: no script, nothing fetched, every text escaped.

The report and the zone decide every byte.
"""

from __future__ import annotations

from streams.run_report import sections
from streams.run_report.document import RunReport, report_id
from streams.run_report.markup import Markup, el, join
from streams.run_report.style import STYLE, page_rules
from streams.run_report.tables import Clock

PARTS = (
    ("run", "Run", sections.identity),
    ("origin", "What this report was made from", sections.origin),
    ("models", "Models", sections.models),
    ("results", "Results", sections.results),
    ("forecasts", "Forecasts and what came", sections.forecasts),
    ("assays", "Assays and feeds", sections.assays),
    ("deviations", "Deviations to be assessed", sections.deviations),
    ("alarms", "Alarms", sections.alarms),
    ("set-aside", "Set aside, and gaps", sections.set_aside),
    ("signatures", "Signatures", sections.signatures),
)


def write_html(report: RunReport, zone_minutes: int = 0) -> bytes:
    """Write the page.

    Parameters
    ----------
    zone_minutes : int
        Minutes from UTC of a zone whose times are written beside UTC; 0 for none. It is no part of the report's id.
    """
    name, clock = report_id(report), Clock(zone_minutes)
    of = report.identity
    title = f"Run report: {of.unit}, {'period' if of.batch is None else f'batch {of.batch}'}"
    style = join(Markup("<style>"), STYLE, page_rules(f"report {name}", f"known at {of_moment(report)}"),
                 Markup("</style>"))  # fmt: skip
    numbered = list(enumerate(PARTS, 1))
    contents = el("nav", el("ol", [el("li", el("a", heading, href=f"#{part}")) for part, heading, _ in PARTS]),
                  aria_label="Contents")  # fmt: skip
    body = [
        el(
            "section", el("h2", f"{i}. {heading}", id=f"{part}-title"), write(report, clock), id=part,
            aria_labelledby=f"{part}-title",
        )
        for i, (part, heading, write) in numbered
    ]  # fmt: skip
    zone = f" Times are UTC, with {clock.zone} beside in brackets." if zone_minutes else " All times are UTC."
    head = el(
        "header", el("h1", title),
        el("p", "Report ", el("code", name)),
        el("p", "Shows what was known at ", el("strong", clock.time(report.origin.known_at)),
           ". Asked for again with that moment, it comes out the same.", zone),
        el("p", "Intervals in brackets are central 90 % intervals. Texts in this type, ",
           el("code", "topic/partition/offset"), ", name a record; with a fourth number, an effect of that record."
           " Written by ", report.written_by, ".", class_="soft"),
    )  # fmt: skip
    foot = el("footer", el("p", "End of report ", el("code", name), class_="soft"))
    page = el(
        "html",
        el("head", el("meta", charset="utf-8"),
           el("meta", name="viewport", content="width=device-width, initial-scale=1"), el("title", title), style),
        el("body", head, contents, el("main", body), foot), lang="en",
    )  # fmt: skip
    return f"<!doctype html>\n{page}\n".encode()


def of_moment(report: RunReport) -> str:
    """Write the moment in letters that a style sheet holds: digits alone, as 20260301 080000 UTC."""
    text = report.origin.known_at
    return f"{text[:10].replace('-', '')} {text[11:19].replace(':', '')} UTC"
