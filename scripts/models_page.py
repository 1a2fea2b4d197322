"""The tables of docs/models.md: states, inputs, outputs and parameters of each process model, from the code."""

from __future__ import annotations

import re

from twins.bioreactor.models import MODELS, ProcessModel

_PLACE = re.compile(r"(<!-- tables of (\w+) -->\n).*?(<!-- end -->)", re.S)


def with_models(page: str) -> str:
    """Put each model's tables between its two marks.

    Examples
    --------
    >>> with_models("<!-- tables of yeast -->\\n<!-- end -->").count("| `glucose` |")
    1
    """
    return _PLACE.sub(lambda found: f"{found[1]}{tables(MODELS[found[2]])}{found[3]}", page)


def tables(model: ProcessModel) -> str:
    """Write the four tables of a model."""
    lines = ["| state | unit | starts at | coordinate (scale) | is |", "|---|---|---|---|---|"]
    for state in model.states:
        coordinate = f"{state.coordinate} ({state.scale:g})"
        lines.append(f"| `{state.name}` | {state.unit} | {state.initial:g} | {coordinate} | {state.meaning} |")
    lines += ["", "| input | unit | default | from | to | is |", "|---|---|---|---|---|---|"]
    for one in model.inputs:
        lines.append(f"| `{one.name}` | {one.unit} | {one.default:g} | {one.low:g} | {one.high:g} | {one.meaning} |")
    lines += ["", "| output | unit | is |", "|---|---|---|"]
    lines += [f"| `{one.name}` | {one.unit} | {one.meaning} |" for one in model.outputs]
    first, conditions = model.parameters[0].source, model.parameters[0].conditions
    lines += [
        "",
        f"Parameters for {conditions}. Source where the table names none: {first}.",
        "",
        "| parameter | value | unit | from | to | is | source |",
        "|---|---|---|---|---|---|---|",
    ]
    for p in model.parameters:
        source = p.source if p.source != first or p.source.startswith("assumed") else ""
        meaning = f"{p.meaning}; varies by {p.spread:.0%}" if p.spread else p.meaning
        lines.append(f"| `{p.name}` | {p.value:g} | {p.unit} | {p.low:g} | {p.high:g} | {meaning} | {source} |")
    return "\n".join(lines) + "\n"
