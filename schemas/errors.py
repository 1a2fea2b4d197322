"""Every error twinstream raises, as one tree.

TwinstreamError
|- InputError              a fact from outside cannot be used; becomes a reject, never stops its neighbours
|  |- MalformedError       not readable at all: bytes, JSON, envelope
|  |- UnknownTypeError     a type or version nobody here knows
|  |- InvalidFieldError    readable, but a field breaks its rule
|  `- UnitError            a unit that is unknown or of another dimension
|- UsageError              the person's command or file cannot be served; exit code 2
|  |- SettingsError
|  |- MappingError
|  `- MissingExtraError    an optional package is needed; says which extra
|- LedgerError             the ledger said no
|  |- StaleEpochError      somebody else owns the partition now; exit at once
|  `- SnapshotError        a checkpoint that cannot be trusted
|- LogError                the topic log said no
|  `- TopicMissingError
|- DeviceLostError         an accelerator went away in the middle of a run; another may go on
`- ShapeError              a program hands over arrays of the wrong shape
"""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")


class TwinstreamError(Exception):
    """The root: catch it to catch everything that is ours."""


def printable(text: str) -> str:
    """Replace what no text column, terminal or JSON reader should meet: control characters, halves of surrogate pairs.

    Examples
    --------
    >>> printable("a\\x00b")
    'a\ufffdb'
    """
    return _UNPRINTABLE.sub("\ufffd", text)


class InputError(TwinstreamError):
    """A fact from outside that cannot be used.

    Parameters
    ----------
    expected, received, where, advice : str
        What was expected, what came, where it stood, what to do. In this order they are the message.
    """

    reason = "invalid"

    def __init__(self, *, expected: str, received: str, where: str = "", advice: str = "") -> None:
        expected, received, where, advice = map(printable, (expected, received, where, advice))
        self.expected = expected
        self.received = received
        self.where = where
        self.advice = advice
        message = f"expected {expected}, received {received}"
        if where:
            message += f", in {where}"
        if advice:
            message += f"; {advice}"
        super().__init__(message)


class MalformedError(InputError):
    """Not readable at all."""

    reason = "malformed"


class UnknownTypeError(InputError):
    """A type or a version nobody here knows."""

    reason = "unknown_type"


class InvalidFieldError(InputError):
    """Readable, but a field breaks its rule."""

    reason = "invalid_field"


class UnitError(InputError):
    """A unit that is unknown, or of another dimension than its quantity."""

    reason = "unit"


class UsageError(TwinstreamError):
    """The person's command, file or setting cannot be served."""


class SettingsError(UsageError):
    """A setting has a value that cannot work."""


class MappingError(UsageError):
    """A mapping file does not fit, or several do."""


class MissingExtraError(UsageError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'twinstream[{extra}]'")


class LedgerError(TwinstreamError):
    """The ledger said no."""


class StaleEpochError(LedgerError):
    """Another process owns the partition now."""


class SnapshotError(LedgerError):
    """A checkpoint that cannot be trusted: checksum, version or shape."""


class LogError(TwinstreamError):
    """The topic log said no."""


class TopicMissingError(LogError):
    """A topic that was never declared."""


class DeviceLostError(TwinstreamError):
    """An accelerator went away, or no longer answers, in the middle of a run. Raised by engines."""


class ShapeError(TwinstreamError):
    """A program hands over arrays of the wrong shape."""
