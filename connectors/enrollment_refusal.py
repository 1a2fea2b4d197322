"""What cannot be used goes on as a line that is rejected with its reason, and with nothing that tells arm or person.

Other families append a bad row as it came. Here that would carry arms and subjects' ids past the door, so only the
place, the reason and at most one mapped cell's text go on; the row itself stays in its file.
"""

from __future__ import annotations

import msgspec

from connectors.outgoing import BadLine, subject_or_none
from schemas.errors import InputError, printable
from schemas.instants import Instant, format_instant


def refusal(
    source: str, event_id: str, study: str | None, kind: str, where: str, error: InputError | str, near: Instant,
    family: str = "enrollment",
) -> BadLine:  # fmt: skip
    """Make the line of something that cannot be used.

    The reason stands as the name of a field that no event has: the reader's own message then quotes it whole.

    Parameters
    ----------
    kind : str
        The event type it would have been.
    where : str
        File, row and column.
    near : Instant
        About when [us], for its place in a replay.
    """
    said = str(error) if not where or where in str(error) else f"{where}: {error}"
    document = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "time": format_instant(near),
        "data": {printable(said)[:600]: None},
    }
    # what names no study is rejected under its source's name: without any, the reader would say that first
    subject = document["subject"] = subject_or_none(study) or source
    # without any idea when, it has no place of its own in a replay
    return BadLine(msgspec.json.encode(document), subject, near or None, family)
