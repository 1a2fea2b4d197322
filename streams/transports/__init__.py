"""How records move: Faust's transports with frames, on the embedded log and on Kafka, and plain access to both."""

from streams.transports.access import LogReader, LogWriter, declare_topics, open_reader, open_writer
from streams.transports.addresses import register, transport_url
from streams.transports.hooks import CoalescingHooks, attach, hooks_of

__all__ = [
    "CoalescingHooks",
    "LogReader",
    "LogWriter",
    "attach",
    "declare_topics",
    "hooks_of",
    "open_reader",
    "open_writer",
    "register",
    "transport_url",
]
