"""Readings of simulated units as bytes, by templates: the payload of a million readings without a million objects.

What it writes is what `schemas.events` would: a test reads it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat

from connectors.bioreactor_truth import Floats, Ints
from connectors.outgoing import Outgoing
from schemas.events import JSON
from schemas.instants import SECOND, format_instant
from schemas.upcast import NEWEST

KIND = "bioreactor.reading"
_ID_DIGITS = 10


class ReadingWriter:
    """Write readings of units whose keys, sources and probes never change.

    Parameters
    ----------
    keys, sources : sequence of str, one per unit
    probes : sequence of (tag, unit code)
    packed : bool
        Headers as one msgpack map (embedded log) instead of pairs (Kafka).
    """

    def __init__(
        self, keys: Sequence[str], sources: Sequence[str], probes: Sequence[tuple[str, str]], packed: bool
    ) -> None:
        self._keys = [key.encode() for key in keys]
        self._packed = packed
        self._fixed = [_fixed_headers(key, source) for key, source in zip(keys, sources, strict=True)]
        self._heads = [_packed_head(fixed) for fixed in self._fixed]
        said = [f'{{"tag":"{tag}","value":NUMBER,"unit":"{unit}"}}' for tag, unit in probes]
        body = f'{{"channels":[{",".join(said)}]}}'
        self._body = body.replace("%", "%%").replace("NUMBER", "%.6g").encode()

    def values(self, values: Floats, first: int = 0, last: int | None = None) -> list[bytes]:
        """Write the data of readings: `values` (units, probes), finite."""
        body = self._body
        return [body % tuple(row) for row in values[first:last].tolist()]

    def records(
        self, step: int, first: int, times: Ints, bodies: Sequence[bytes], known: int | None = None
    ) -> list[Outgoing]:
        """Make the records of units `first` on: one per time (n,) [us] and body, recorded when they happened,
        or all at `known` [us]."""
        name = b"%0*d" % (_ID_DIGITS, step)
        moments = times.tolist()
        texts = times_text(moments)
        later = repeat(format_instant(known).encode()) if known is not None else texts
        keys = self._keys[first : first + len(moments)]
        if self._packed:
            heads = self._heads[first : first + len(moments)]
            headers = [
                b"%b%b\xa7ce_time%c%b\xadce_recordtime%c%b" % (head, name, 0xA0 | len(t), t, 0xA0 | len(r), r)
                for head, t, r in zip(heads, texts, later, strict=False)
            ]
            return [
                Outgoing("bioreactor", key, body, packed, None, moment)
                for key, body, packed, moment in zip(keys, bodies, headers, moments, strict=True)
            ]
        fixed = self._fixed[first : first + len(moments)]
        named = ("ce_id", name)
        return [
            Outgoing("bioreactor", key, body, [*pairs, named, ("ce_time", t), ("ce_recordtime", r)], None, moment)
            for key, body, pairs, t, r, moment in zip(keys, bodies, fixed, texts, later, moments, strict=False)
        ]


def times_text(moments: list[int]) -> list[bytes]:
    """Write instants [us] as RFC 3339 with six decimals; those of one second share its text."""
    written: list[bytes] = []
    second, text = -1, b""
    for moment in moments:
        whole, rest = divmod(moment, SECOND)
        if whole != second:
            second, text = whole, format_instant(whole * SECOND)[:-1].encode()
        written.append(b"%b.%06dZ" % (text, rest))
    return written


def _fixed_headers(key: str, source: str) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", KIND.encode()),
        ("ce_schemaversion", str(NEWEST).encode()),
        ("content-type", JSON.encode()),
        ("ce_source", source.encode()),
        ("ce_subject", key.encode()),
    ]


def _packed_head(fixed: Sequence[tuple[str, bytes]]) -> bytes:
    """Pack the headers that never change, and the name of the id; id, time and record time follow."""
    count = len(fixed) + 3
    packed = bytes([0x80 | count]) + b"".join(
        _packed_text(name.encode()) + _packed_text(value) for name, value in fixed
    )
    return packed + _packed_text(b"ce_id") + bytes([0xA0 | _ID_DIGITS])


def _packed_text(text: bytes) -> bytes:
    """Pack a text as msgpack: fixstr up to 31 bytes, str 8 above. Source: MessagePack specification, str family."""
    size = len(text)
    return (bytes([0xA0 | size]) if size < 32 else bytes([0xD9, size])) + text
