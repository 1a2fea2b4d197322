"""The work in Quix Streams: a streaming data frame with its own state (RocksDB and a changelog topic)."""

from __future__ import annotations

import tempfile
import uuid
from typing import Any

import work
from quixstreams import Application, State

server, topic_name, meter = work.arguments()
app = Application(
    broker_address=server,
    consumer_group=f"peer-{uuid.uuid4().hex[:8]}",
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(prefix="quix-peer-"),
    loglevel="WARNING",
    auto_create_topics=True,
)
source = app.topic(topic_name, key_deserializer="bytes", value_deserializer="bytes")
sink = app.topic("twin.estimates", key_serializer="bytes", value_serializer="bytes")


def fold(value: bytes, key: bytes, timestamp: int, headers: Any, state: State) -> bytes | None:
    """Fold one reading into its twin's state."""
    new, said = work.fold(state.get("twin"), value, headers)
    state.set("twin", new)
    meter.count()
    return said


frame = app.dataframe(source)
frame = frame.apply(lambda value, key, timestamp, headers: (value, headers), metadata=True)
frame = frame.apply(lambda pair, key, timestamp, headers, state: fold(pair[0], key, timestamp, pair[1], state),
                    stateful=True, metadata=True)  # fmt: skip
frame = frame.filter(lambda said: said is not None)
frame = frame.to_topic(sink)

if __name__ == "__main__":
    app.run()
