"""Which transport serves a broker's address."""

from __future__ import annotations

from urllib.parse import urlsplit

from faust.transport.drivers import TRANSPORTS

from schemas.errors import SettingsError

POSTGRES_SCHEME = "twinstream-pg"
KAFKA_SCHEME = "twinstream-kafka"


def register() -> None:
    """Make both transports known to Faust; may be called again."""
    TRANSPORTS.aliases[POSTGRES_SCHEME] = "streams.transports.postgres:Transport"
    TRANSPORTS.aliases[KAFKA_SCHEME] = "streams.transports.kafka:Transport"


def transport_url(broker: str | None, database: str) -> str:
    """Give the broker URL for a Faust app, and make its transport known.

    Parameters
    ----------
    broker : str or None
        kafka://host:port, several joined by `;`. None: the log in `database`.
    database : str
        postgresql:// address. Faust prints broker URLs, so of this only the name of the database appears in it.

    Examples
    --------
    >>> transport_url("kafka://127.0.0.1:9092", "")
    'twinstream-kafka://127.0.0.1:9092'
    >>> transport_url(None, "postgresql://user:secret@db.example/plant?sslmode=require")
    'twinstream-pg://log/plant'
    """
    register()
    if broker is None:
        return f"{POSTGRES_SCHEME}://log{urlsplit(database).path or '/'}"
    return ";".join(f"{KAFKA_SCHEME}://{server}" for server in kafka_servers(broker))


def kafka_servers(broker: str) -> list[str]:
    """Give host:port of each bootstrap server of a kafka:// address."""
    servers = []
    for part in broker.split(";"):
        url = urlsplit(part.strip())
        if url.scheme not in ("kafka", KAFKA_SCHEME) or not url.hostname:
            raise SettingsError(
                f"expected a broker such as kafka://127.0.0.1:9092, received {part!r};"
                " leave it out for the embedded log"
            )
        host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
        servers.append(f"{host}:{url.port or 9092}")
    return servers
