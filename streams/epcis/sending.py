"""Send a document to a subscriber: one POST, bounded in time, signed, to an address that was looked at first.

A subscriber is reached by https at a public address, or at loopback where the interface itself listens there. The name
is looked up once and the connection made to the very address that was checked; no redirect is followed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from urllib.parse import SplitResult, urlsplit

from schemas.errors import InvalidFieldError, TwinstreamError
from streams.api.keys import is_loopback

SECONDS = 20.0  # for the whole exchange
LONGEST_URL = 2000
_LOOKUPS = 16  # threads that look names up: those of dead name servers wait among themselves
_STATUS_BYTES = 4096

_threads = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="epcis-lookup")


class SendError(TwinstreamError):
    """A document was not taken; the text says why, without what was sent."""


def check_destination(url: str, loopback: bool) -> SplitResult:
    """Give the parts of a subscriber's address, if it is one that may be sent to.

    Raises
    ------
    InvalidFieldError
        If it is not https, nor loopback where that is allowed; or has a user, a fragment or unfit characters.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = SplitResult("", "", "", "", ""), "", None
    fine = len(url) <= LONGEST_URL and url.isascii() and url.isprintable() and " " not in url
    near = is_loopback(host)
    allowed = loopback if near else parts.scheme == "https" and not _is_private(host)
    plain = host and port != 0 and not parts.fragment and "@" not in parts.netloc
    if fine and plain and allowed and parts.scheme in ("http", "https"):
        return parts
    raise InvalidFieldError(
        expected="an https address of a public host" + (", or one of loopback" if loopback else ""),
        received=repr(f"{parts.scheme}://{host}")[:120],
        where="dest",
        advice="private addresses are not reached; put the receiver behind a public one",
    )


def signature_of(secret: str, body: bytes) -> str:
    """Sign a body (HMAC, SHA-256).

    Examples
    --------
    >>> signature_of("secret", b"body")[:23]
    'sha256=dc46983557fea127'
    """
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def post(url: str, body: bytes, headers: Mapping[str, str], loopback: bool, seconds: float = SECONDS) -> None:
    """Send, and return when the answer's status is 2xx.

    Raises
    ------
    SendError
        With what came instead, within `seconds`.
    """
    try:
        async with asyncio.timeout(seconds):
            status = await _exchange(check_destination(url, loopback), body, headers)
    except TimeoutError:
        raise SendError(f"expected an answer within {seconds:g} s, received none") from None
    except InvalidFieldError as error:
        raise SendError(str(error)) from None
    except (OSError, ssl.SSLError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise SendError(f"expected an answer, received {type(error).__name__} {str(error)[:120]}") from None
    if not 200 <= status < 300:
        raise SendError(f"expected status 200, received {status}")


async def _exchange(parts: SplitResult, body: bytes, headers: Mapping[str, str]) -> int:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    context = await asyncio.to_thread(_context) if secure else None
    reader, writer = await _connect(await _addresses_of(host, port), port, context, host if secure else None)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = {"Host": parts.netloc, "Content-Length": str(len(body)), "Connection": "close", **headers}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
        writer.write("\r\n".join(lines).encode("ascii") + body)
        await writer.drain()
        line = await reader.readuntil(b"\r\n")
    finally:
        writer.close()
    version, _, rest = line.decode("latin-1").partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise ValueError("no HTTP answer")
    return int(rest[:3])


async def _connect(
    addresses: list[str], port: int, context: ssl.SSLContext | None, name: str | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that takes it."""
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return await asyncio.open_connection(address, port, ssl=context, server_hostname=name, limit=_STATUS_BYTES)
    return await asyncio.open_connection(addresses[-1], port, ssl=context, server_hostname=name, limit=_STATUS_BYTES)


async def _addresses_of(host: str, port: int) -> list[str]:
    """Look a name up, and give its addresses, all of which must be allowed."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_threads, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))[:4]
    if not is_loopback(host):
        for each in addresses:
            if _is_private(each):
                raise SendError("expected a public address behind the name, received a private one")
    return addresses


@cache
def _context() -> ssl.SSLContext:
    """Make the context that checks certificates and names, once: it reads the system's certificates."""
    return ssl.create_default_context()


def _is_private(host: str) -> bool:
    """Tell whether this is the literal address of no public host; a name is none."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return not address.is_global or address.is_multicast or (inner is not None and not inner.is_global)
