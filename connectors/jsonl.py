"""Event files: one structured CloudEvents JSON object a line. `ingest file` and `fold` both read them here.

Plain or gzip. A blank line says nothing and is passed over; every other line becomes records, in order, the bad
ones too. Memory is bounded by one line.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from connectors.arms import may_tell_arm, without_arms
from connectors.outgoing import FAMILY, BadLine, Entry, Item, Outgoing, encode, subject_or_none
from schemas.errors import InputError, UsageError
from schemas.events import LARGEST_RECORD, family_of, read_structured
from schemas.instants import Instant
from schemas.topics import PARTITIONS, TOPICS

LARGEST_LINE = LARGEST_RECORD - 8192  # bytes; leaves room for headers under a broker's usual limit of 1 MiB
_BOM = b"\xef\xbb\xbf"
_CHUNK = 1 << 20
_ENROLLMENT = b"enrollment."


def outgoing(
    lines: Iterable[bytes | str],
    record_time: Instant | None = None,
    *,
    family: str = FAMILY,
    partitions: int = PARTITIONS,
) -> Iterator[Outgoing]:
    """Make the records of event lines, in order.

    Parameters
    ----------
    lines : iterable of bytes or str
        With or without their ends. Blank ones give nothing.
    record_time : Instant, optional
        When we knew [us], for lines without `recordtime`. Without it, their event time.
    family : str
        The family of lines that do not name theirs.

    Returns
    -------
    iterator of Outgoing
        One per line; a key-less `time.passed` gives one per partition; a line nobody can read comes raw.
    """
    for line in lines:
        raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        for entry in parse(raw, record_time):
            yield from encode(entry, family, partitions)


def parse(payload: bytes, record_time: Instant | None = None) -> tuple[Entry, ...]:
    """Read one line: one entry, or none of a blank line. Pure; never raises for bad input."""
    raw = payload.rstrip(b"\r\n").removeprefix(_BOM)
    if not raw.strip():
        return ()
    if len(raw) > LARGEST_LINE:
        return (oversize(len(raw), hashlib.sha256(raw).hexdigest(), raw[:512]),)
    if _ENROLLMENT in raw:
        raw = _blinded(raw)
    try:
        return (read_structured(raw, record_time),)
    except InputError:
        return (_bad(raw),)


def oversize(size_bytes: int, digest: str, head: bytes) -> BadLine:
    """Stand in for a line too big for any topic: its size, its SHA-256 and how it began."""
    shown = b"" if _ENROLLMENT in head else head  # of a trial it might tell an arm
    document = {
        "oversize_line": {
            "expected": f"at most {LARGEST_LINE} bytes",
            "bytes": size_bytes,
            "sha256": digest,
            "head": shown.decode("utf-8", "replace"),
        }
    }
    return BadLine(json.dumps(document).encode())


def _blinded(raw: bytes) -> bytes:
    """Leave the arm out of a line of enrollment; one that cannot be read, and might tell an arm, gives its digest."""
    if not may_tell_arm(raw):
        return raw
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        kept = without_arms(document)
        return raw if kept == document else json.dumps(kept).encode()
    return json.dumps({"unreadable_line": {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}}).encode()


def _bad(raw: bytes) -> BadLine:
    """Keep a bad line, with what of its subject, family and time can be read."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return BadLine(raw)
    if not isinstance(document, dict):
        return BadLine(raw)
    kind = document.get("type")
    family = family_of(kind) if isinstance(kind, str) else ""
    return BadLine(
        raw, subject_or_none(document.get("subject")), None, family if f"{family}.events" in TOPICS else None
    )


class JsonLinesSource:
    """One event file. Positions are byte offsets (of the unpacked text, for gzip), so a restart reads on at once.

    A gzip file is unpacked again up to the position: its cost is reading, not sending twice.
    """

    def __init__(self, path: Path, record_time: Instant | None = None) -> None:
        self.path = path
        self._record_time = record_time

    def items(self, after: str | None = None) -> Iterator[Item]:
        """Read lines from after a position.

        Raises
        ------
        UsageError
            If the file cannot be read, or the position is none of this file's.
        """
        with open_bytes(self.path) as stream:
            position = _seek(stream, after, self.path)
            while True:
                line, size, complete = _read_line(stream)
                if not size:
                    return
                position += size
                entries = parse(line, self._record_time) if complete is None else (complete,)
                yield Item(str(position), entries)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file for reading, unpacking gzip (known by its first two bytes).

    Raises
    ------
    UsageError
        If it is not there or may not be read.
    """
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == b"\x1f\x8b"
        # gzip.GzipFile is a binary stream in all that is used here
        return gzip.open(path, "rb") if packed else path.open("rb")  # type: ignore[return-value]
    except OSError as error:
        raise UsageError(f"expected a readable file, received {error.strerror}, for {path}; check the path") from None


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, and say so where it turns out to be cut or damaged.

    Raises
    ------
    UsageError
        If it cannot be opened or read to its end.
    """
    with open_bytes(path) as stream:
        try:
            yield stream
        except (OSError, EOFError, zlib.error) as error:
            raise UsageError(f"expected a whole file, received {error}, for {path}; fetch it again") from None


def _seek(stream: IO[bytes], after: str | None, path: Path) -> int:
    if after is None:
        return 0
    if not after.isdecimal():
        raise UsageError(f"expected a byte offset as position, received {after!r}, for {path}; start without one")
    stream.seek(int(after))
    return int(after)


def _read_line(stream: IO[bytes]) -> tuple[bytes, int, BadLine | None]:
    """Read a line: its bytes, its size with its end, and its stand-in if it was too big to keep.

    Raises
    ------
    UsageError
        If the stream breaks (a cut or damaged gzip file).
    """
    try:
        line = stream.readline(LARGEST_LINE + 2)
        size = len(line)
        if size < LARGEST_LINE + 2 or line.endswith(b"\n"):
            return line, size, None
        return b"", *_pass_over(stream, line)
    except (OSError, EOFError) as error:
        raise UsageError(f"expected a whole file, received {error}; fetch it again") from None


def _pass_over(stream: IO[bytes], head: bytes) -> tuple[int, BadLine]:
    """Read an oversize line to its end without keeping it; digest and size are those of the line without its end."""
    digest, size, waiting = hashlib.sha256(), 0, head
    while waiting and not waiting.endswith(b"\n"):
        digest.update(waiting)
        size += len(waiting)
        waiting = stream.readline(_CHUNK)
    last = waiting.removesuffix(b"\n")
    digest.update(last)
    return size + len(waiting), oversize(size + len(last), digest.hexdigest(), head[:512])
