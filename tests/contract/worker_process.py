"""A worker in a process of its own, to be killed, frozen and woken.

It prints a JSON line for each claim and each frame.

python -m tests.contract.worker_process DATABASE TOPIC GROUP LEASE DATADIR [BROKER INSTANCE]
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from typing import Any

import faust
from faust.types import TP

from streams.transports import CoalescingHooks, attach, transport_url


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps({"at": time.monotonic(), "pid": os.getpid(), **words}) + "\n")
    sys.stdout.flush()


async def claim(assigned: set[TP]) -> dict[TP, int]:
    say(event="claimed", partitions=sorted(tp.partition for tp in assigned))
    return dict.fromkeys(assigned, 0)


def lost(reason: str) -> None:
    say(event="lost", reason=reason)
    os._exit(75)


def main(database: str, topic: str, group: str, lease: str, datadir: str, broker: str = "", instance: str = "") -> None:
    static: dict[str, Any] = {"consumer_group_instance_id": instance} if instance else {}
    app: Any = faust.App(
        group,
        broker=transport_url(broker or None, database),
        store="memory://",
        datadir=datadir,
        web_enabled=False,
        topic_partitions=8,
        topic_disable_leader=True,
        topic_allow_declare=not broker,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=float(lease),
        broker_heartbeat_interval=float(lease) / 4,
        stream_buffer_maxsize=4,
        **static,
    )
    hooks = CoalescingHooks(
        claims=claim,
        lost=lost,
        worker=f"worker-{os.getpid()}",
        database=database,
        framed=lambda name: name == topic,
        lease_seconds=float(lease),
    )
    attach(app, hooks)

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            rows = event.message.value
            say(event="frame", partition=event.message.partition, first=rows[0].offset, last=rows[-1].offset)

    app.agent(app.topic(topic, key_serializer="raw", value_serializer="raw", partitions=8))(agent)
    asyncio.run(run(app))


async def run(app: Any) -> None:
    """Run until told to stop, or until the app ends."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, told.set)
    await app.start()
    ended = asyncio.ensure_future(app.wait_until_stopped())
    await asyncio.wait([ended, asyncio.ensure_future(told.wait())], return_when=asyncio.FIRST_COMPLETED)
    await app.stop()
    say(event="stopped")


if __name__ == "__main__":
    main(*sys.argv[1:])
