"""How the report looks: on a screen, light or dark, and on A4 in black and white."""

from __future__ import annotations

from streams.run_report.markup import Markup

# No name or number of a run comes in here.
STYLE = Markup("""
:root { color-scheme: light dark; --text: #111; --soft: #444; --page: #fff; --line: #999; --fill: #eee; --band: #ccc; }
@media (prefers-color-scheme: dark) {
  :root { --text: #eee; --soft: #bbb; --page: #15181c; --line: #777; --fill: #23272d; --band: #4a525c; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 16px; max-width: 190mm; font: 10pt/1.4 system-ui, sans-serif; color: var(--text);
  background: var(--page); }
h1 { font-size: 18pt; margin: 0 0 4pt; } h2 { font-size: 13pt; margin: 18pt 0 4pt;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 11pt; margin: 12pt 0 4pt; }
p { margin: 4pt 0; max-width: 75em; } .soft { color: var(--soft); }
table { border-collapse: collapse; width: 100%; margin: 4pt 0 8pt; font-size: 8.5pt; }
caption { text-align: left; font-weight: 600; padding: 4pt 0 2pt; }
th, td { border: 1px solid var(--line); padding: 2pt 4pt; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
td, tbody th { min-width: 4.2em; } td.n, thead th { overflow-wrap: break-word; }
thead th, tbody th { background: var(--fill); } td.n { text-align: right; font-variant-numeric: tabular-nums; }
code, .id { font-family: ui-monospace, monospace; font-size: 7.5pt; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; font-size: 8pt; margin: 4pt 0; } s { text-decoration-thickness: 1.5px; }
.scroll { overflow-x: auto; } .box td { height: 16mm; }
.box tbody th { width: 24%; } .note { border-left: 4px solid var(--text); padding-left: 6pt; }
figure { margin: 6pt 0; break-inside: avoid; } figcaption { font-size: 8.5pt; }
svg { width: 100%; height: auto; display: block; }
.axis { stroke: var(--text); stroke-width: 1; fill: none; } .grid { stroke: var(--line); stroke-width: .5; fill: none; }
.band { fill: var(--band); stroke: none; } .mean { stroke: var(--text); stroke-width: 1.6; fill: none; }
.dot { fill: none; stroke: var(--soft); stroke-width: .7; } .assay { fill: var(--text); stroke: none; }
.struck { stroke: var(--text); stroke-width: 1.4; fill: none; }
text { fill: var(--text); font: 11px system-ui, sans-serif; }
.phase { stroke: var(--text); stroke-width: .8; stroke-dasharray: 2 3; }
@media print {
  :root { color-scheme: light; --text: #000; --soft: #222; --page: #fff; --line: #666; --fill: #eee; --band: #ccc; }
  body { padding: 0; max-width: none; } .scroll { overflow: visible; } nav { display: none; }
  thead { display: table-header-group; } tr, figure, .sign { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  .band, thead th, tbody th { print-color-adjust: exact; }
}
""")


def page_rules(left: str, right: str) -> Markup:
    """Give the rules of a printed page: A4, its number, and two texts at its foot (hexadecimal digits and spaces)."""
    if not all((one.isalnum() and one.isascii()) or one == " " for one in left + right):
        raise ValueError(f"expected letters, digits and spaces at the foot of a page, received {left!r}, {right!r}")
    return Markup(
        f'@page {{ size: A4; margin: 15mm 12mm 18mm; @bottom-left {{ content: "{left}"; font: 7pt monospace; }}'
        f' @bottom-center {{ content: "{right}"; font: 7pt sans-serif; }}'
        ' @bottom-right { content: "page " counter(page) " of " counter(pages); font: 8pt sans-serif; } }'
    )
