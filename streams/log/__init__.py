"""The embedded topic log: topics as tables of PostgreSQL, for one host."""

from streams.log.append import Batch, Placed, Row, append, append_all, notify
from streams.log.install import cover_ahead, declare, install
from streams.log.membership import Membership, Role, leave
from streams.log.offsets import commit_offsets, committed, lag
from streams.log.producer import Producer
from streams.log.read import Reader, Record, beginnings, ends, heads, read
from streams.log.retention import keep
from streams.log.session import AWAY, connect
from streams.log.waiter import Waiter

__all__ = [
    "AWAY",
    "Batch",
    "Membership",
    "Placed",
    "Producer",
    "Reader",
    "Record",
    "Role",
    "Row",
    "Waiter",
    "append",
    "append_all",
    "beginnings",
    "commit_offsets",
    "committed",
    "connect",
    "cover_ahead",
    "declare",
    "ends",
    "heads",
    "install",
    "keep",
    "lag",
    "leave",
    "notify",
    "read",
]
