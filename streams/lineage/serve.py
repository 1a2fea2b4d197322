"""The lineage follower of this installation: a role of its own, ended by SIGTERM."""

from __future__ import annotations

import signal
import threading

import structlog

from schemas.errors import SettingsError
from schemas.topics import TOPICS
from streams import logs
from streams.lineage.follower import Follower
from streams.prepare import prepare
from streams.settings import Settings
from streams.transports.access import open_reader

log = structlog.get_logger("twinstream.lineage")


def run_follower(settings: Settings, uri: str, topic: str) -> int:
    """Follow a topic until told to stop; give the exit code.

    Raises
    ------
    SettingsError
        If there is no such topic.
    """
    if topic not in TOPICS:
        raise SettingsError(f"expected a topic among {', '.join(sorted(TOPICS))}, received {topic!r:.80}, in --topic")
    logs.configure(settings.log_level, as_json=settings.log_json)
    prepare(uri, settings.broker)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    reader = open_reader(settings.broker, uri, {topic}, "twinstream-lineage")
    follower = Follower(reader, uri, topic)
    log.info("lineage", topic=topic)
    try:
        follower.run(stopped)
    finally:
        reader.close()
    log.info("lineage stopped", behind=follower.behind, refused=follower.refused)
    return 0
