"""A plate like the published one, generated: interleaved rows, relative hours, samples on the row before the fall."""

from __future__ import annotations

import math
import random
from pathlib import Path

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data" / "bioprocess" / "pseudobatch"
YEAST = DATA / "biolector_yeast_fedbatch.csv"

HEADER = (
    "Strain,Biolector well,Biolector column,Biolector row,Cycle,Time,Feeding time,Volume,Accum. feed [uL],"
    "Biomass concentration [light scatter],DO%,Sample volume"
)


def plate_csv(*, wells: int = 3, cycles: int = 12, seed: int = 11, sample_every: int = 5) -> str:
    """Write a plate of `wells` and `cycles`; the volume follows feed and samples exactly."""
    print(f"plate seed {seed}")
    draw = random.Random(seed)
    rows = [HEADER]
    volume, fed = [800.0] * wells, [0.0] * wells
    for cycle in range(cycles):
        hours = 14.5 + 0.1 * cycle + (0.063 if cycle % 7 == 3 else 0.0)
        for well in range(wells):
            added = 0.0 if cycle == 0 else 0.14 * math.exp(0.1 * 0.1 * cycle)
            fed[well] += added
            volume[well] += added
            sample = 100.0 if cycle % sample_every == sample_every - 1 else 0.0
            scatter = 2.9 + 0.05 * cycle + draw.gauss(0.0, 0.01)
            name = f"{'CDEF'[well % 4]}{well // 4 + 1:02d}"
            rows.append(
                f"Yeast_strain_{well % 2 + 1},{name},{name[1:]},{name[0]},{cycle + 145}.0,{hours!r},{hours - 14.3!r},"
                f"{volume[well]!r},{fed[well]!r},{scatter!r},{148.0 - cycle!r},{sample!r}"
            )
            volume[well] -= sample
    return "\n".join(rows) + "\n"


def small_map(**parts: str) -> str:
    """Write a small mapping; a part given replaces that of the same name, an empty one leaves it out."""
    given = {
        "twinstream_map": "1",
        "name": "small",
        "source": "small",
        "header": "{columns: [unit, h, x]}",
        "subject": '"{unit}"',
        "time": '{column: h, format: h, origin: "2026-01-01T00:00:00Z"}',
        "channels": "[{column: x, tag: biomass, unit: g/L}]",
    } | parts
    return "\n".join(f"{name}: {text}" for name, text in given.items() if text)
