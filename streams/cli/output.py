"""Where a command's result goes: a file, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from schemas.errors import UsageError


@contextmanager
def output(path: Path | None) -> Iterator[IO[bytes]]:
    """Open what the result is written to; standard output where no file is named.

    Raises
    ------
    UsageError
        If the file cannot be written.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("wb") as sink:
            yield sink
    except OSError as error:
        raise UsageError(f"expected a file that can be written, {path} gave: {error.strerror}") from None
