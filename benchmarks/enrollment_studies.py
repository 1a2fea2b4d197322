"""Simulated studies for benchmarks of the enrollment twin: their facts as records, and blocks that have folded them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from connectors.enrollment_simulation import Noise, SimulatedCountry, SimulatedStudy, Simulation
from connectors.enrollment_simulator import StudySimulator
from connectors.outgoing import encode
from schemas.events import Event
from schemas.instants import DAY, Instant, parse_instant
from schemas.partitions import TimePassed
from streams.fold import FileRecord
from twins import checks
from twins.enrollment import EnrollmentModel
from twins.enrollment.twin import StudyState
from twins.frame import read_frame
from twins.scalar import MAGIC, ScalarBlock

STARTS = "2025-01-01T00:00:00Z"
SETTLED_DAYS = 30  # that a study speaks as it does every day, before it is copied
NOISE = Noise(duplicates=0.01, corrections=0.02, withdrawn=0.005, out_of_order=0.02)
SEEDS = 20  # studies that are folded; the others are copies of these


def study(name: str, sites: int, countries: int, subjects: int, months: float) -> SimulatedStudy:
    """Give a study whose sites open within four months, and that brings so many subjects in all."""
    open_months = max(months - 3.0, 1.0)  # of a site, on average, a month late
    each = [sites // countries + (place < sites % countries) for place in range(countries)]
    rate = subjects / sites / open_months
    return SimulatedStudy(
        study=name,
        starts=STARTS,
        months=months,
        subjects=round(1.3 * subjects),
        by_month=1.4 * months,
        countries=tuple(
            SimulatedCountry(country=f"C{place:02}", sites=count, per_month=rate) for place, count in enumerate(each)
        ),
        noise=NOISE,
    )


def records_of(one: SimulatedStudy, seed: int) -> list[FileRecord]:
    """Give the facts of a study, and a word of the time passed each day, as records of one partition."""
    found: list[FileRecord] = []
    for entry in StudySimulator(Simulation(seed=seed, studies=(one,))).events():
        record = encode(entry)[0]
        found.append(FileRecord(len(found), 0, record.key, record.value, record.headers))
    return found


def midnight(day: int, offset: int) -> FileRecord:
    """Give the word that a day of the studies has begun."""
    at = Instant(parse_instant(STARTS) + day * DAY)
    record = encode(Event(f"time-{day}", "benchmark", "time.passed", "", at, at, TimePassed()))[0]
    return FileRecord(offset, 0, record.key, record.value, record.headers)


def many(model: EnrollmentModel, count: int, months: float, seed: int) -> tuple[bytes, int, int]:
    """Give the snapshot of many studies of ordinary size: 20 to 60 sites, 100 to 300 subjects.

    `SEEDS` of them are simulated and folded, the last month as the model says; the others are copies.

    Returns
    -------
    body, day, facts
        The snapshot, the studies' day, and how many facts it holds.
    """
    quiet = EnrollmentModel.from_config({"forecast_hours": 744.0, "estimate_hours": 168.0})
    folded, facts = [], 0
    for number in range(min(SEEDS, count)):
        sites, subjects = 20 + 40 * number // max(SEEDS - 1, 1), 100 + 200 * (7 * number % SEEDS) // SEEDS
        records = records_of(study(f"ST-{number:04}", sites, 3 + number % 6, subjects, months), seed + number)
        days = [place for place, record in enumerate(records) if record.key is None]
        cut = days[-SETTLED_DAYS - 1] + 1
        before = checks.fold(quiet, records[:cut])
        block = model.empty()
        block.adopt(before.block, read_frame("enrollment.events", 0, [midnight(0, 0)]), lambda *_: {})
        checks.fold(model, records[cut : days[-1] + 1], block=block)
        facts += len(records) - len(days)
        folded.append(block.snapshot())
    return copied(folded, count), len(days), round(facts * count / len(folded))


def copied(folded: Sequence[bytes], count: int) -> bytes:
    """Make one snapshot of many: of each study as many copies as it takes, under names of their own."""
    read = [msgspec.msgpack.decode(body[len(MAGIC) :]) for body in folded]
    twins = []
    for number in range(count):
        (kept,) = read[number % len(read)]["twins"]
        _, *rest = msgspec.msgpack.decode(kept["body"])
        name = f"ST-{number:04}"
        twins.append({**kept, "key": name, "body": msgspec.msgpack.encode([name, *rest])})
    return MAGIC + msgspec.msgpack.encode({**read[0], "twins": twins})


def restored(model: EnrollmentModel, body: bytes) -> ScalarBlock[StudyState]:
    """Give a block with the studies of a snapshot."""
    block = model.empty()
    block.restore(body)
    return block
