"""The supply twin: four kinds of scalar twin behind one name, told apart by the first word of their key.

`patient:<chain of identity>` follows one patient's cells, `shipper:<GRAI>` a box, `room:<GLN>` a cleanroom and
`network:<id>` all of them as queues and capacity. What one of them finds that matters to another is a consequence: an
event on the same topic (`schemas.effects.ConsequenceData`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

import msgspec
from msgspec import Struct

from schemas.errors import InputError, InvalidFieldError, SnapshotError, UnknownTypeError
from schemas.events import Event
from schemas.partitions import OWNER_SOURCE, TimePassed
from twins.frame import Fact
from twins.scalar import ScalarBlock, Step
from twins.supply.config import SupplyConfig, model_name, read_config
from twins.supply.network_twin import NetworkTwin
from twins.supply.patient import PatientTwin
from twins.supply.room import RoomTwin
from twins.supply.shipper import ShipperTwin

KIND = "supply"
Inner = TypeVar("Inner")


class Kind(Protocol[Inner]):
    """One of the four. As `twins.scalar.Twin`, but for what all four have in common.

    `types` are the structs of events that it can use.
    """

    @property
    def types(self) -> tuple[type[Struct], ...]: ...

    def start(self, key: str) -> Inner: ...
    def step(self, state: Inner, fact: Fact) -> Step[Inner]: ...
    def write(self, state: Inner) -> bytes: ...
    def read(self, key: str, body: bytes) -> Inner: ...
    def belief(self, state: Inner) -> bytes: ...
    def on_wall_clock(self, state: Inner) -> bool: ...


@dataclass(slots=True)
class SupplyState(Generic[Inner]):
    """One twin: which of the four it is, and its state."""

    key: str
    kind: Kind[Inner] | None  # None: of a key that names none of the four; no fact of it counts
    inner: Inner


class _Snapshot(Struct, frozen=True, array_like=True):
    key: str
    body: bytes


_ENCODE = msgspec.msgpack.Encoder()
_DECODE = msgspec.msgpack.Decoder(_Snapshot)


class SupplyTwin:
    """See `twins/scalar.py` for what each verb promises."""

    kind = KIND

    def __init__(self, config: SupplyConfig, name: str) -> None:
        self.config, self.name = config, name
        # Any: each kind has a state of its own.
        self._kinds: Mapping[str, Kind[Any]] = {
            "patient": PatientTwin(config),
            "shipper": ShipperTwin(config),
            "room": RoomTwin(config),
            "network": NetworkTwin(config),
        }

    def start(self, key: str) -> SupplyState[Any]:
        """Begin a twin of which nothing is known."""
        kind = self._kinds.get(key.partition(":")[0]) if key.partition(":")[2] else None
        return SupplyState(key, kind, None if kind is None else kind.start(key))

    def step(self, state: SupplyState[Any], fact: Fact) -> Step[SupplyState[Any]]:
        """Fold one fact."""
        if (kind := state.kind) is None:
            return Step(state, (), self._nobody(state.key))
        if not isinstance(fact.event.data, (*kind.types, TimePassed)):
            return Step(state, (), _not_for(state.key, kind, fact))
        step = kind.step(state.inner, fact)
        return Step(SupplyState(state.key, kind, step.state), step.said, step.refused)

    def _nobody(self, key: str) -> InputError:
        return InvalidFieldError(
            expected=f"a key of the form {', '.join(f'{word}:NAME' for word in self._kinds)}",
            received=repr(key)[:140], where="subject", advice="name the twin that the fact is about",
        )  # fmt: skip

    def write(self, state: SupplyState[Any]) -> bytes:
        """Give a twin as bytes."""
        if state.kind is None:
            raise SnapshotError(f"expected a twin of a known kind, received {state.key!r}")
        return _ENCODE.encode(_Snapshot(state.key, state.kind.write(state.inner)))

    def read(self, body: bytes) -> SupplyState[Any]:
        """Take a twin from its bytes."""
        try:
            read = _DECODE.decode(body)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"expected a supply twin, received {error}; restore an older checkpoint") from None
        kind = self._kinds.get(read.key.partition(":")[0])
        if kind is None:
            raise SnapshotError(f"expected a twin among {', '.join(self._kinds)}, received {read.key!r}")
        return SupplyState(read.key, kind, kind.read(read.key, read.body))

    def belief(self, state: SupplyState[Any]) -> bytes:
        """Give what the order of arrival must not change."""
        return b"" if state.kind is None else state.kind.belief(state.inner)

    def on_wall_clock(self, state: SupplyState[Any]) -> bool:
        """Tell whether silence is judged by the wall's clock."""
        return state.kind is not None and state.kind.on_wall_clock(state.inner)

    def hears(self, state: SupplyState[Any], event: Event) -> bool:
        """A twin begun with `clock: source` hears its source alone."""
        return event.source != OWNER_SOURCE or self.on_wall_clock(state)


class SupplyModel:
    """The supply twin with its configuration: makes blocks."""

    kind = KIND
    consequent: Literal[True] = True

    def __init__(self, config: SupplyConfig | None = None) -> None:
        self.config = config or SupplyConfig()
        self.name = model_name(self.config)

    @classmethod
    def from_config(cls, document: dict[str, Any]) -> SupplyModel:
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

    def empty(self) -> ScalarBlock[SupplyState[Any]]:
        """Give a block without twins."""
        return ScalarBlock(SupplyTwin(self.config, self.name))


def _not_for(key: str, kind: Kind[Any], fact: Fact) -> InputError:
    return UnknownTypeError(
        expected=f"an event that {key.partition(':')[0]} twins use", received=fact.event.type, where="type",
        advice="docs/supply.md lists which events each kind of twin uses",
    )  # fmt: skip
