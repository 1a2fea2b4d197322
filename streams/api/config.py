"""What the API needs to know, as one value; `streams/settings.py` is where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.events import LARGEST_RECORD

if TYPE_CHECKING:
    from twins.bioreactor.config import BioreactorConfig


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """The API's configuration.

    `allowed_hosts` are names, beside the loopback's own, under which a browser may address the API. A running twin
    of which nothing was known for `stale_after_seconds` is shown as stale. Bounds: `body_bytes` of one request,
    `stream_clients` at once, `stream_queue` messages waiting for one slow client. `bioreactor` is the
    twins' configuration, for the model cards of run reports; None: the default one. `epcis_identify` says which
    identifiers of captured EPCIS events name which twins; None: the default table.
    """

    database: str
    host: str = "127.0.0.1"
    port: int = 8080
    keys_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    stale_after_seconds: float = 180.0
    body_bytes: int = LARGEST_RECORD
    stream_clients: int = 200
    stream_queue: int = 4000
    heartbeat_seconds: float = 15.0
    bioreactor: BioreactorConfig | None = None
    epcis_identify: Path | None = None
