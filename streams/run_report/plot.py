"""Charts as SVG, readable without colour: a course with its 90 % band, readings, assays, beginnings of phases."""

from __future__ import annotations

import math
from collections.abc import Sequence

from streams.run_report.document import Course
from streams.run_report.markup import Markup, el, join

WIDTH, HEIGHT = 720, 230
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 18, 34
STEPS = (1, 2, 2.5, 5, 10)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Give round values between two.

    Examples
    --------
    >>> ticks(0.0, 10.0)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in STEPS if one * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def chart(course: Course, title: str, hours: float, phases: Sequence[tuple[float, str]]) -> Markup:
    """Draw one course over the whole run.

    Parameters
    ----------
    title : str
        What is drawn, for the text beside the picture.
    hours : float
        Length of the run [h].
    phases : sequence of (hours, name)
        Where phases begin.
    """
    values = [*course.low, *course.high, *course.mean]
    values += [dot.value for dot in (*course.measured, *course.assays)]
    low, high = min(values), max(values)
    if low >= 0 and low < 0.3 * high:
        low = 0.0
    if not high - low > 1e-12 * max(abs(high), abs(low), 1e-300):
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    span = max(hours, 1e-9)

    def x(at: float) -> float:
        return round(LEFT + at / span * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    base = HEIGHT - BOTTOM
    parts = [el("title", title)]
    upper = [f"{x(t)},{y(v)}" for t, v in zip(course.hours, course.high, strict=True)]
    lower = [f"{x(t)},{y(v)}" for t, v in zip(course.hours, course.low, strict=True)]
    parts.append(el("polygon", points=" ".join([*upper, *reversed(lower)]), class_="band"))
    for value in ticks(low, high):
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(value), y2=y(value), class_="grid"))
        parts.append(el("text", f"{value:g}", x=LEFT - 5, y=y(value) + 4, text_anchor="end"))
    for at in ticks(0.0, span, 8):
        parts.append(el("line", x1=x(at), x2=x(at), y1=base, y2=base + 4, class_="axis"))
        parts.append(el("text", f"{at:g}", x=x(at), y=base + 16, text_anchor="middle"))
    for at, name in phases:
        parts.append(el("line", x1=x(at), x2=x(at), y1=TOP, y2=base, class_="phase"))
        parts.append(el("text", name[:24], x=x(at) + 2, y=TOP - 5))
    parts.append(el("path", d=f"M{LEFT} {TOP}V{base}H{WIDTH - RIGHT}", class_="axis"))
    parts += [el("circle", cx=x(dot.hours), cy=y(dot.value), r=1.6, class_="dot") for dot in course.measured]
    line = " ".join(f"{x(t)},{y(v)}" for t, v in zip(course.hours, course.mean, strict=True))
    parts.append(el("polyline", points=line, class_="mean"))
    for dot in course.assays:
        px, py = x(dot.hours), y(dot.value)
        if dot.counts:
            parts.append(el("rect", x=px - 3.5, y=py - 3.5, width=7, height=7, class_="assay"))
        else:
            cross = f"M{px - 4} {py - 4}L{px + 4} {py + 4}M{px - 4} {py + 4}L{px + 4} {py - 4}"
            parts.append(el("path", d=cross, class_="struck"))
    parts.append(el("text", "hours since the start", x=WIDTH - RIGHT, y=HEIGHT - 4, text_anchor="end"))
    parts.append(el("text", course.unit, x=LEFT, y=HEIGHT - 4))
    return el("svg", join(*parts), viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=title)
