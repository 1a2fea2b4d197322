"""API keys: made once, shown once, kept only as a hash.

A key is 256 random bits, so one SHA-256 of it is as hard to turn back as the key is to guess; slow hashes are for
what people choose. The file holds one `name:prefix:hash` a line; the prefix finds the line, the hash decides.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import SettingsError

_KEY = re.compile(r"tw_([0-9a-f]{8})_([A-Za-z0-9_-]{43})")
_LINE = re.compile(r"([A-Za-z0-9._@-]{1,64}):([0-9a-f]{8}):([0-9a-f]{64})")
_NOBODY = "0" * 64


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is kept of a key."""

    name: str
    prefix: str
    digest: str

    def line(self) -> str:
        """Write the key file's line."""
        return f"{self.name}:{self.prefix}:{self.digest}"


class Keyring:
    """The keys that open the API."""

    def __init__(self, keys: Iterable[StoredKey] = ()) -> None:
        self._keys = {key.prefix: key for key in keys}

    def __len__(self) -> int:
        return len(self._keys)

    def owner_of(self, text: str) -> str | None:
        """Name whose key this is; None if it is nobody's. Takes the same time for a wrong key as for a right one."""
        match = _KEY.fullmatch(text)
        stored = self._keys.get(match[1]) if match else None
        digest = _digest(text)
        same = hmac.compare_digest(digest, stored.digest if stored else _NOBODY)
        return stored.name if stored and same else None


def new_key(name: str) -> tuple[str, StoredKey]:
    """Make a key: the text to hand over once, and what to keep.

    Raises
    ------
    SettingsError
        If the name could not stand in the file.
    """
    prefix, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    text = f"tw_{prefix}_{secret}"
    key = StoredKey(name, prefix, _digest(text))
    if _LINE.fullmatch(key.line()) is None:
        raise SettingsError(f"expected a name of 1 to 64 letters, digits or . _ @ -, received {name!r:.80}")
    return text, key


def read_keys(file: Path | None) -> Keyring:
    """Read a key file; none gives an empty ring.

    Raises
    ------
    SettingsError
        If it cannot be read, or a line is not `name:prefix:hash`.
    """
    if file is None:
        return Keyring()
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"expected a readable file of API keys, received {error}, at {file}") from None
    keys = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise SettingsError(
                f"expected name:prefix:hash, received something else, at line {number} of {file}; make keys anew"
            )
        keys.append(StoredKey(*match.groups()))
    return Keyring(keys)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_keys(host: str, keys: Keyring) -> None:
    """Refuse to listen on an address that others reach when there are no keys.

    Raises
    ------
    SettingsError
        With what to do.
    """
    if not is_loopback(host) and not len(keys):
        raise SettingsError(
            f"expected API keys, received none, for an API that listens on {host}: anybody in reach could use it;"
            " make a key and name its file in TWINSTREAM_API_KEYS_FILE, or listen on 127.0.0.1"
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
