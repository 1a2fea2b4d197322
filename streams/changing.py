"""Models by the name of their configuration, made from what the ledger keeps; and what a change makes different."""

from __future__ import annotations

from typing import Any

import psycopg

from schemas.errors import SettingsError, SnapshotError
from streams.ledger import changes
from streams.models import kinds
from twins.block import Configured, Model

Document = dict[str, Any]  # Any: JSON
MOST_LINES = 60  # of a difference that is shown


def keep(connection: psycopg.Connection[Any], model: Model) -> None:
    """Keep a model's configuration in the ledger, if it can say it. One transaction."""
    if isinstance(model, Configured):
        with connection.transaction():
            changes.keep_configuration(connection, model.kind, model.name, model.document())


def model_named(connection: psycopg.Connection[Any], kind: str, name: str) -> Model:
    """Make the model of a name from the configuration that the ledger keeps.

    Raises
    ------
    SnapshotError
        If the ledger does not keep it, or this program makes another model of it.
    """
    document = changes.read_configuration(connection, name)
    if document is None:
        raise SnapshotError(
            f"expected the configuration of {name} in the ledger, found none: its run began before configurations were"
            " kept there; start once with that configuration"
        )
    try:
        model = kinds()[kind](document)
    except SettingsError as error:
        raise SnapshotError(f"expected a configuration that this program reads, {name} is none: {error}") from None
    if model.name != name:
        raise SnapshotError(
            f"expected the configuration of {name}, it is that of {model.name} to this program: another version wrote"
            " it; start the version that did"
        )
    return model


def differences(before: Document, after: Document) -> list[str]:
    """Say what is different between two configurations, a line a place.

    Examples
    --------
    >>> differences({"limits": [{"low": 10.0}]}, {"limits": [{"low": 12.0}], "advice": None})
    ['advice: (nothing) -> null', 'limits[0].low: 10.0 -> 12.0']
    """
    old, new = _flat("", before), _flat("", after)
    lines = [
        f"{place}: {old.get(place, '(nothing)')} -> {new.get(place, '(nothing)')}"
        for place in sorted({*old, *new})
        if old.get(place) != new.get(place)
    ]
    return lines[:MOST_LINES] + [f"... and {len(lines) - MOST_LINES} more"] * (len(lines) > MOST_LINES)


def _flat(place: str, value: Any) -> dict[str, str]:  # Any: JSON
    """Lay JSON out as one text a place."""
    if isinstance(value, dict) and value:
        parts = [(f"{place}.{name}" if place else str(name), inner) for name, inner in value.items()]
    elif isinstance(value, list | tuple) and value:
        parts = [(f"{place}[{i}]", inner) for i, inner in enumerate(value)]
    else:
        return {place: _text(value)} if place else {}
    return {at: text for inner_place, inner in parts for at, text in _flat(inner_place, inner).items()}


def _text(value: Any) -> str:  # Any: JSON
    return "null" if value is None else str(list(value) if isinstance(value, tuple) else value)
