"""Which configuration a partition's twins are computed with, and which a record of their log may change it to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import psycopg
import structlog

from schemas.partitions import ConfigurationChanged
from streams import changing
from streams.ledger import changes, claims
from twins.block import Model

T = TypeVar("T")
log = structlog.get_logger("twinstream.engine")


class Ask(Protocol):
    """Asks the ledger, once everything folded so far is in it."""

    def __call__(self, ask: Callable[[psycopg.Connection[Any]], T]) -> T: ...


class Configurations:
    """Models by what the ledger says; on the fold thread, but for `due`.

    Parameters
    ----------
    topic : str
        Whose partitions.
    model : Model
        What this worker was started with.
    ask : callable
        Asks the ledger.
    """

    def __init__(self, topic: str, model: Model, ask: Ask) -> None:
        self._topic = topic
        self._model = model
        self._ask = ask
        self.due: dict[int, ConfigurationChanged] = {}  # approved changes whose record is to be written, by partition

    def of(self, claim: claims.Claim) -> Model:
        """Give what a partition's twins are computed with; where that is not ours, an approved change is due.

        Raises
        ------
        SnapshotError
            If nobody approved one.
        """
        place = (self._topic, claim.partition)
        kept: str | None = None
        if claim.checkpoint is not None:
            kept = claim.checkpoint.model
        elif claim.applied:
            kept = self._ask(lambda connection: changes.spoken_model(connection, *place))
        self.due.pop(claim.partition, None)
        if kept is None or kept == self._model.name:
            return self._model
        before = kept
        due = self._ask(lambda connection: changes.due_change(connection, *place, before, self._model.name))
        if due is None:
            raise changes.refusal(self._model.kind, before, self._model.name)
        log.warning("an approved change is due", partition=claim.partition, change=due.change, after=due.after)
        model = self._named(before)
        self.due[claim.partition] = due
        return model

    def after(self, partition: int, offset: int, data: ConfigurationChanged) -> Model | None:
        """Give the model that a record changes to, if that was approved."""
        place = (self._topic, partition, offset)
        if not self._ask(lambda connection: changes.is_approved(connection, *place, data)):
            return None
        self.due.pop(partition, None)
        log.warning("changing the configuration", partition=partition, offset=offset, after=data.after)
        return self._model if data.after == self._model.name else self._named(data.after)

    def _named(self, name: str) -> Model:
        return self._ask(lambda connection: changing.model_named(connection, self._model.kind, name))
