"""The work in stock Faust: an agent, its twins in a dictionary.

A table, which would survive a restart, costs as much again.
"""

from __future__ import annotations

import uuid

import faust
import work

server, topic_name, meter = work.arguments()
app = faust.App(
    f"peer-{uuid.uuid4().hex[:8]}",
    broker=f"kafka://{server}",
    web_enabled=False,
    autodiscover=False,
    topic_allow_declare=False,
    topic_disable_leader=True,
    topic_partitions=8,
    consumer_auto_offset_reset="earliest",
    stream_wait_empty=False,
    datadir=f"/tmp/{uuid.uuid4().hex}",
)
source = app.topic(topic_name, key_serializer="raw", value_serializer="raw")
sink = app.topic("twin.estimates", key_serializer="raw", value_serializer="raw")
twins: dict[bytes, work.State] = {}


@app.agent(source)
async def fold(stream: faust.StreamT[bytes]) -> None:
    async for event in stream.events():
        message = event.message
        headers = message.headers.items() if isinstance(message.headers, dict) else message.headers
        state, said = work.fold(twins.get(message.key), message.value, headers)
        twins[message.key] = state
        if said is not None:
            await sink.send(key=message.key, value=said)
        meter.count()


if __name__ == "__main__":
    worker = faust.Worker(app, loglevel="WARNING", redirect_stdouts=False, quiet=True)
    worker.spinner = None
    worker.execute_from_commandline()
