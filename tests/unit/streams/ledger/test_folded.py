"""What a refold may leave out: lives end anywhere, and each begins at some checkpoint of the one before."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from schemas.effects import write_effect
from schemas.placement import partition_of
from schemas.topics import PARTITIONS
from streams.engine.partition import PartitionFold
from streams.ledger.claims import Checkpoint, Claim
from streams.ledger.folded import Fresh
from tests.faults.load import rows
from tests.support.records import START, Record
from twins.bioreactor import BioreactorModel
from twins.block import Past, Wanted
from twins.past import MemoryPast

TOPIC, PARTITION = "bioreactor.events", 7
MODEL = BioreactorModel()
SIZES = (1, 5, 20, 60)
LIVES = 12
SEED = 20261211


@pytest.fixture(scope="module")
def log() -> list[Record]:
    """One partition of a plant with late and doubled records."""
    found: list[Record] = []
    for key, value, headers in islice(rows(1, units=50), 6000):
        if partition_of(key, PARTITIONS) == PARTITION:
            found.append(Record(len(found), START // 1000, key, value, headers))
    return found


class Ledger:
    """Keeps what a real one would: what came of records that were applied before falls away."""

    def __init__(self) -> None:
        self.lines: dict[str, bytes] = {}
        self.applied = 0
        self._past = MemoryPast()

    def load(self, wanted: list[Wanted], before: int) -> Past:
        return self._past.load(wanted, before)

    def live(self, log: list[Record], checkpoint: Checkpoint | None, end: int, rng: random.Random) -> list[Checkpoint]:
        """Fold from a checkpoint to an offset, in frames of any size; give the state after each."""
        fold = PartitionFold(MODEL, TOPIC, PARTITION, self.load)  # type: ignore[arg-type]
        fold.resume(Claim(TOPIC, PARTITION, 1, self.applied, checkpoint, frozenset(), 0))
        states = [] if checkpoint is None else [checkpoint]
        while fold.next_offset < end:
            folded = fold.fold(log[fold.next_offset : min(fold.next_offset + rng.choice(SIZES), end)])
            assert folded is not None
            fresh = Fresh(folded).above(self.applied)
            for one in fresh.said:
                assert one.effect.id not in self.lines, "an effect is written twice"
                self.lines[one.effect.id] = one.line
            self._past.seed(fresh.memory)
            folded.effects.accepted = fresh.accepted
            folded.effects.memory = []
            self._past.keep(folded.frame, folded.effects)
            self.applied = max(self.applied, folded.next_offset)
            states.append(fold.checkpoint())
        return states


def live_many(log: list[Record], seed: int) -> tuple[dict[str, bytes], bytes]:
    """Let lives follow each other; give all that was said, and the last state."""
    rng = random.Random(seed)
    ledger = Ledger()
    states: list[Checkpoint] = []
    checkpoint: Checkpoint | None = None
    for end in [*sorted(rng.sample(range(20, len(log)), LIVES)), len(log)]:
        states = ledger.live(log, checkpoint, end, rng)
        checkpoint = rng.choice(states[-4:])
    return ledger.lines, states[-1].body


@pytest.fixture(scope="module")
def whole(log: list[Record]) -> tuple[dict[str, bytes], bytes]:
    """What one life without an end says, and its last state."""
    past = MemoryPast()
    fold = PartitionFold(MODEL, TOPIC, PARTITION, lambda wanted, before: past.load(wanted, before))
    fold.resume(Claim(TOPIC, PARTITION, 1, 0, None, frozenset(), 0))
    lines: dict[str, bytes] = {}
    for start in range(0, len(log), 97):
        folded = fold.fold(log[start : start + 97])
        assert folded is not None
        past.keep(folded.frame, folded.effects)
        lines |= {effect.id: write_effect(effect) for effect in folded.effects.all()}
    return lines, fold.block.snapshot()


@pytest.mark.parametrize("seed", range(SEED, SEED + 8))
def test_however_often_it_ends_it_says_the_same(
    log: list[Record], whole: tuple[dict[str, bytes], bytes], seed: int
) -> None:
    assert live_many(log, seed) == whole, f"seed {seed}"
