"""The bioreactor twins of one partition as a block, and the model that makes such blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from schemas.errors import SnapshotError
from twins.bioreactor import emit
from twins.bioreactor.adopt import Configured, clear_changed, kept_rules, take_over
from twins.bioreactor.config import BioreactorConfig, model_name, read_config
from twins.bioreactor.folding import Folding
from twins.bioreactor.intake import Columns, Intake, columns_of, take_in, wanted
from twins.bioreactor.late import write_mark
from twins.bioreactor.rows import NO_ITEMS, write_row
from twins.bioreactor.snapshot import qualified, read_snapshot, write_snapshot
from twins.bioreactor.speech import Speech
from twins.bioreactor.state import State
from twins.block import Block, Effects, LoadPast, Past, Sharing, Wanted
from twins.changing import changed_of
from twins.frame import Frame

KIND = "bioreactor"


class BioreactorModel:
    """The growth twin with its configuration: makes blocks."""

    kind = KIND

    def __init__(self, config: BioreactorConfig | None = None) -> None:
        self.config = config or BioreactorConfig()
        self.name = model_name(self.config)

    @classmethod
    def from_config(cls, document: dict[str, Any]) -> BioreactorModel:
        """Make the model from a configuration file's document.

        Raises
        ------
        SettingsError
            With what was expected, what came and where.
        """
        return cls(read_config(document))

    def document(self) -> dict[str, Any]:
        """Give the whole configuration, defaults included, as JSON that `from_config` reads."""
        said: dict[str, Any] = msgspec.to_builtins(self.config)
        return said

    def empty(self) -> BioreactorBlock:
        """Give a block without twins."""
        return BioreactorBlock(self.config, self.name)


class BioreactorBlock:
    """All bioreactor twins of one partition. See `twins/block.py` for what each verb promises."""

    kind = KIND

    def __init__(self, config: BioreactorConfig, name: str) -> None:
        self._config = config
        self._name = name
        self._state = State(config)
        self._sharing: Sharing | None = None
        self._seen: Intake | None = None  # the frame that `wanted` saw last: only saves reading it twice

    def _take_in(self, frame: Frame, begin: bool) -> Intake:
        seen, self._seen = self._seen, None
        if seen is None or seen.columns.frame is not frame:
            return take_in(self._state, columns_of(frame), begin)
        return take_in(self._state, seen.columns, begin) if seen.incomplete else seen

    def wanted(self, frame: Frame) -> Sequence[Wanted]:
        """Say which twins need their past for this frame. Changes nothing."""
        self._seen = self._take_in(frame, begin=False)
        return wanted(self._state, self._seen)

    def apply(self, frame: Frame, past: Past) -> Effects:
        """Fold the frame."""
        state = self._state
        intake = self._take_in(frame, begin=True)
        columns = intake.columns
        effects = Effects(np.ones(len(frame.facts), dtype=np.bool_))
        speech = Speech(state, self._config, columns)
        Folding(state, self._config, intake, past, speech, effects).run()
        self._refuse(frame, columns, speech, effects)
        speech.learn()
        emit.assemble(speech.pending, effects, state, frame.topic, frame.partition, self._name)
        effects.memory.sort(key=lambda one: one.offset)
        effects.late.sort()
        return effects

    def _refuse(self, frame: Frame, columns: Columns, speech: Speech, effects: Effects) -> None:
        """Say what `read_frame` refused, except for single channels of records that do not count anyway."""
        if frame.refused:
            out = set(columns.offsets[~effects.accepted].tolist())
            for refused in frame.refused:
                if not (refused.channel and refused.offset in out):
                    speech.refused(refused)

    def snapshot(self) -> bytes:
        """Give the whole state as bytes."""
        return write_snapshot(self._state, self._name)

    def qualified(self, body: bytes) -> bytes:
        """Give a snapshot of a block without what its advisory lane has learned."""
        return qualified(body)

    def restore(self, body: bytes) -> None:
        """Take the state of a snapshot of the same model."""
        state = State(self._config)
        read_snapshot(state, body, self._name)
        self._state, self._seen = state, None
        self._share()

    def share(self, sharing: Sharing) -> None:
        """Move process models together with blocks of the same configuration that are folded at the same time."""
        self._sharing = sharing
        self._share()

    def _share(self) -> None:
        if self._sharing is not None and self._state.process is not None:
            self._state.process.filter.share(self._sharing, self._name)

    def adopt(self, old: Block, frame: Frame, load: LoadPast) -> Effects:
        """Take over all twins of a block with another configuration. See `twins/block.py`."""
        if not isinstance(old, BioreactorBlock):
            raise SnapshotError(f"expected a block of bioreactors, received one of {old.kind}")
        before = Configured(State(old._config), old._config)
        read_snapshot(before.state, old.snapshot(), old._name)  # a copy: what is cleared is cleared in it
        after = Configured(State(self._config), self._config)
        effects = Effects(np.ones(1, dtype=np.bool_))
        speech = Speech(before.state, old._config, columns_of(frame))
        kept = kept_rules(before, after)
        clear_changed(before.state, kept, speech, changed_of(frame).change)
        emit.assemble(speech.pending, effects, before.state, frame.topic, frame.partition, self._name)
        take_over(after, before, kept, load, frame.first, effects)
        self._state, self._seen = after.state, None
        self._share()
        return effects

    def keys(self) -> Sequence[str]:
        """Give the keys of all twins, in the order they began."""
        return tuple(self._state.keys)

    def on_wall_clock(self) -> bool:
        """Tell whether any twin here judges silence by the wall's clock."""
        return bool(self._state.wall[: len(self._state.keys)].any())

    def belief(self, key: str) -> bytes:
        """Give what arrival order must not change: the folded belief and the open minute of one twin, as bytes."""
        state = self._state
        slot = state.index[key]
        beliefs = state.beliefs(np.array([slot]))
        row = write_row(tuple(state.bucket[slot].tolist()), state.items.get(slot, NO_ITEMS))
        return write_mark(beliefs, 0) + int(state.heard[slot]).to_bytes(8, "big", signed=True) + row

    def covariance(self, key: str) -> list[list[float]]:
        """Give one twin's covariance (3, 3) of ln biomass, growth rate and ln gain."""
        p = self._state.f[self._state.index[key], 3:9].tolist()
        return [[p[0], p[1], p[2]], [p[1], p[3], p[4]], [p[2], p[4], p[5]]]
