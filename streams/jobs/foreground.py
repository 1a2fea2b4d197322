"""One job in the foreground, by the very path of the pool: no database, no other process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from schemas.errors import SettingsError, UsageError
from schemas.jobs import SimulationSpec
from streams.jobs.devices import places
from streams.jobs.engines import EngineEntry, load_engine
from streams.jobs.work import Pace, Task, Wish, carry_out, write_answer
from twins.block import Memory
from twins.engine import Standing


def run_here(
    kind: str,
    spec: SimulationSpec,
    entries: Mapping[str, EngineEntry],
    told: Callable[[Standing], None],
    past: Sequence[Memory] = (),
) -> bytes:
    """Carry a job out, and give its whole answer: JSON of `summary`, `document` and how they came to be.

    `past` is what the ledger keeps of the twin, where its request asked for that.

    Raises
    ------
    UsageError
        If the kind is unknown, the specification is of another, or its engine refuses it.
    """
    if kind not in entries:
        raise UsageError(f"expected a kind among {', '.join(sorted(entries))}, received {kind!r}")
    if spec.kind != kind:
        raise SettingsError(f"expected a specification of kind {kind}, received one of {spec.kind!r}")
    place = places("cpu" if entries[kind].needs == "cpu" else "auto", 1)[0]
    found = carry_out(load_engine(entries[kind]), Task(spec, place.device, past), _Alone(told), Pace())
    assert found is not None, "nobody wished it to stop"
    summary, document = write_answer(kind, found.answer)
    answer = {
        "kind": kind,
        "device": place.name,
        "versions": found.versions,
        "reproducibility": found.answer.reproducibility,
        "bucket": found.answer.bucket,
        "seed": spec.seed,
        "summary": msgspec.Raw(summary),
        "document": msgspec.Raw(document),
    }
    return msgspec.json.encode(answer, order="sorted")


class _Alone:
    """Hears of progress; keeps no checkpoint and wishes nothing."""

    def __init__(self, told: Callable[[Standing], None]) -> None:
        self.told = told

    def kept(self, versions: dict[str, str], body: bytes) -> None:
        return

    def wish(self) -> Wish:
        return "go_on"
