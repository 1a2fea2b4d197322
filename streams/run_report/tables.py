"""What the sections of the page share: tables with captions, times in UTC and in a zone beside it, numbers, sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.instants import MINUTE, format_instant, parse_instant
from streams.run_report.markup import Content, Markup, el


@dataclass(frozen=True, slots=True)
class Clock:
    """How times are written: UTC, and where `zone_minutes` is not 0 the same in that zone beside it."""

    zone_minutes: int = 0

    @property
    def zone(self) -> str:
        """Name the zone: `+01:00`."""
        hours, minutes = divmod(abs(self.zone_minutes), 60)
        return f"{'-' if self.zone_minutes < 0 else '+'}{hours:02d}:{minutes:02d}"

    def time(self, text: str | None) -> Markup:
        """Write a time (RFC 3339 in UTC).

        Examples
        --------
        >>> Clock(90).time("2026-03-01T08:00:00Z")
        '<time datetime="2026-03-01T08:00:00Z">2026-03-01 08:00:00Z (2026-03-01 09:30:00 +01:30)</time>'
        """
        if text is None:
            return el("span", "–")
        said = text.replace("T", " ")
        if self.zone_minutes:
            local = format_instant(parse_instant(text) + self.zone_minutes * MINUTE)
            said += f" ({local.replace('T', ' ').removesuffix('Z')} {self.zone})"
        return el("time", said, datetime=text)


def number(value: float | None, digits: int = 5) -> str:
    """Write a number with so many digits that count; the report's JSON has them all.

    Examples
    --------
    >>> number(1234567.0), number(0.1234567), number(None)
    ('1.2346e+06', '0.12346', '–')
    """
    return "–" if value is None else f"{value:.{digits}g}"


def num(value: float | None, unit: str = "") -> Markup:
    """Write a cell with a number."""
    return el("td", f"{number(value)} {unit}".strip(), class_="n")


def interval(mean: float, low: float, high: float, unit: str) -> Markup:
    """Write a cell with a mean and its interval."""
    return el("td", f"{number(mean)} [{number(low)}; {number(high)}] {unit}", class_="n")


def source(*places: str | None) -> Markup:
    """Write a cell with the records or effects that a row comes from."""
    return el("td", [el("code", place, " ") for place in places if place], class_="id")


def table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[Content]], empty: str) -> Markup:
    """Write a table whose head is repeated on every page; a sentence where there are no rows.

    Parameters
    ----------
    rows : sequence of rows
        Cells that are no `td` or `th` yet become one.
    """
    if not rows:
        return el("p", empty, class_="soft")
    head = el("thead", el("tr", [el("th", one, scope="col") for one in heads]))
    body = el("tbody", [el("tr", [_cell(one) for one in row]) for row in rows])
    return el("div", el("table", el("caption", caption), head, body), class_="scroll", tabindex=0, role="region",
              aria_label=caption)  # fmt: skip


def pairs(caption: str, rows: Sequence[tuple[str, Content]]) -> Markup:
    """Write a table of names and what stands for them."""
    body = [el("tr", el("th", name, scope="row"), _cell(value)) for name, value in rows]
    return el("table", el("caption", caption), el("tbody", body))


def _cell(content: Content) -> Markup:
    if isinstance(content, Markup) and content.startswith(("<td", "<th")):
        return content
    return el("td", content)
