"""Subject ids become pseudonyms at the door: keyed, stable, and not to be turned back without the key.

HMAC-SHA256 of study and subject under the site's secret, its first 80 bits in base32. Of a million subjects the chance
that any two share one is 4e-13 (n^2 / 2^81). Source: RFC 2104; ISO 25237 (pseudonymisation) for why a key is needed:
a plain hash of a short id is found by trying all ids.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

from schemas.errors import UsageError

LEAST_KEY_BYTES = 16  # a shorter secret can be tried out; 32 random ones are advised
_BYTES = 10  # 80 bits: 16 characters of base32


class Pseudonyms:
    """Makes pseudonyms under one key, which is never shown. Without a key it gives ids as they are (`plain_ids`)."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes | None) -> None:
        if key is not None and len(key) < LEAST_KEY_BYTES:
            raise UsageError(
                f"expected a pseudonym key of {LEAST_KEY_BYTES} bytes or more, received {len(key)}; "
                "make one: head -c 32 /dev/urandom | base64 > FILE"
            )
        self._key = key

    def of(self, study: str, subject: str) -> str:
        """Give the pseudonym of a subject of a study.

        Examples
        --------
        >>> Pseudonyms(b"only an example key").of("ST-1", "101-004")
        'P-RWV7QOECXJEEDLW2'
        """
        if self._key is None:
            return subject
        said = study.encode()
        text = len(said).to_bytes(4, "big") + said + subject.encode()
        digest = hmac.new(self._key, text, hashlib.sha256).digest()[:_BYTES]
        return f"P-{base64.b32encode(digest).decode()}"

    def __repr__(self) -> str:
        return "Pseudonyms(plain)" if self._key is None else "Pseudonyms(keyed)"


def plain_ids() -> Pseudonyms:
    """Leave subject ids as they are: for sources whose ids are pseudonyms already, by a person's explicit choice."""
    return Pseudonyms(None)


def open_pseudonyms(key_file: Path | None, *, plain: bool = False) -> Pseudonyms:
    """Make the pseudonyms of a site.

    Parameters
    ----------
    key_file : Path or None
        File whose bytes, without white space at their ends, are the secret.
    plain : bool
        The person says that subject ids are pseudonyms already.

    Raises
    ------
    UsageError
        If there is neither key nor that choice, or both, or the file cannot be read or is too short.
    """
    if plain:
        if key_file is not None:
            raise UsageError("expected either a pseudonym key or --no-pseudonyms, received both; leave one out")
        return plain_ids()
    if key_file is None:
        raise UsageError(
            "expected a key for the pseudonyms of subjects, received none; make one with "
            "`head -c 32 /dev/urandom | base64 > FILE` and set TWINSTREAM_PSEUDONYM_KEY_FILE to it, "
            "or say --no-pseudonyms where the subject ids are pseudonyms already"
        )
    try:
        return Pseudonyms(key_file.read_bytes().strip())
    except OSError as error:
        raise UsageError(f"expected a readable pseudonym key, received {error.strerror}, for {key_file}") from None
