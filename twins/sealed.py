"""Bytes under their own hash: what is torn or changed is told from what is whole. For checkpoints of engines."""

from __future__ import annotations

import hashlib

_HASH = 32  # bytes of SHA-256


def seal(body: bytes, magic: bytes = b"") -> bytes:
    """Put bytes under their hash; `magic` says in front of all what they are."""
    return magic + hashlib.sha256(body).digest() + body


def unseal(sealed: bytes, magic: bytes = b"") -> bytes | None:
    """Give the bytes that were sealed; None where they are torn, changed, or of another magic.

    Examples
    --------
    >>> unseal(seal(b"state", b"TW"), b"TW"), unseal(seal(b"state", b"TW")[:-1], b"TW"), unseal(b"TW", b"XX")
    (b'state', None, None)
    """
    head = len(magic) + _HASH
    if sealed[: len(magic)] != magic or hashlib.sha256(memoryview(sealed)[head:]).digest() != sealed[len(magic) : head]:
        return None
    return bytes(memoryview(sealed)[head:])
