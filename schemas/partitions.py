"""What is said to a whole partition, and to no one twin: that time passed, that the configuration changed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from schemas.fields import Name

OWNER_SOURCE = "twinstream/owner"  # who a partition's owner is, as the source of what it says


class TimePassed(Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing else was said until now: silence is evidence, and a replay must see it too."""


class ConfigurationChanged(Struct, frozen=True, forbid_unknown_fields=True):
    """From this record on the partition's twins are computed with another configuration, by an approved change.

    Written by the worker that owns the partition, and worth nothing without the ledger: `approval` is the hash of the
    approval's row in the audit trail, `before` and `after` the names of the models.
    """

    change: Annotated[int, Meta(ge=1)]
    before: Name
    after: Name
    approval: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


EVENTS: dict[str, type[Struct]] = {
    "time.passed": TimePassed,
    "configuration.changed": ConfigurationChanged,
}
KEYLESS = frozenset(EVENTS)
