"""The golden model as a document: one JSON object with everything that scoring needs, and where it came from.

Numbers are written in the fewest digits that read back as the same number, so a model that was written and read
scores the same bytes. `sha256` is that of `content` as it is written; a document that was changed is refused.
"""

from __future__ import annotations

import hashlib
import platform
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import scipy
from msgspec import Meta, Struct

from schemas.errors import SettingsError, ShapeError
from twins.monitoring.batch import BatchModel
from twins.monitoring.continuous import ContinuousModel, Limits
from twins.monitoring.missing import Method
from twins.monitoring.warping import Warp

VERSION: Literal[1] = 1  # of the document and its equations: raise it when the same document would score otherwise

Align = Literal["elapsed", "maturity", "dtw"]
Share = Annotated[float, Meta(gt=0, lt=1)]


class Options(Struct, frozen=True, forbid_unknown_fields=True):
    """How a model was asked for."""

    mode: Literal["batch", "continuous"] = "batch"
    components: Annotated[int, Meta(ge=1)] | None = None
    variance: Share | None = None
    significance: Share = 0.99
    limits: Limits = "theoretical"
    leave_one_out: bool = False
    window: Annotated[int, Meta(ge=0, le=1000)] = 2  # assumed: five points smooth a limit and keep its shape
    missing: Method = "tsr"
    align: Align = "elapsed"
    maturity_tag: str | None = None
    grid: Annotated[int, Meta(ge=2, le=10_000)] = 100
    band: Share = 0.3  # assumed: runs differ by less than a third of their length
    gap: Annotated[float, Meta(gt=0, le=1)] = 0.2  # assumed: a line across a fifth of a run is a guess, not a value


class Alignment(Struct, frozen=True, forbid_unknown_fields=True):
    """How a run finds its place on the grid."""

    kind: Align
    duration_hours: float  # median of the training runs: how long a run that is still going will take
    tag: str | None = None
    sign: Literal[1, -1] = 1  # -1: the maturity tag falls, and the grid holds its negative
    warp: Warp | None = None


class TrainingRun(Struct, frozen=True, forbid_unknown_fields=True):
    """One run the model learned from."""

    name: str
    rows: int
    hours: float


class Golden(Struct, frozen=True, forbid_unknown_fields=True):
    """The model with its origin: what the document's hash is of."""

    options: Options
    training: tuple[TrainingRun, ...]
    calibrated_on: tuple[TrainingRun, ...]
    model: ContinuousModel | BatchModel
    alignment: Alignment | None  # of a batch model


class Document(Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    twinstream_golden: Literal[1]
    sha256: str
    versions: dict[str, str]
    content: Golden


def write_golden(golden: Golden) -> bytes:
    """Write a model as JSON. Equal models give equal bytes under equal libraries."""
    versions = {"numpy": np.__version__, "python": platform.python_version(), "scipy": scipy.__version__}
    return msgspec.json.encode(Document(VERSION, _hash(golden), versions, golden), enc_hook=_list)


def read_golden(text: bytes, where: str) -> Golden:
    """Read and check a document.

    Raises
    ------
    SettingsError
        With what was expected, what came, and where.
    """
    advice = "fit it again with `twinstream golden fit`"
    try:
        document = msgspec.json.decode(text, type=Document, dec_hook=_array)
        document.content.model.check()
    except (msgspec.MsgspecError, ShapeError, ValueError, TypeError) as error:
        raise SettingsError(f"expected a golden model, received {str(error)[:200]}, in {where}; {advice}") from None
    golden = document.content
    if (golden.alignment is None) == isinstance(golden.model, BatchModel):
        raise SettingsError(f"expected an alignment with a batch model and only there, in {where}; {advice}")
    found = _hash(golden)
    if found != document.sha256:
        raise SettingsError(
            f"expected content of SHA-256 {document.sha256[:16]}, received {found[:16]}, in {where}; {advice}"
        )
    return golden


def model_name(golden: Golden) -> str:
    """Name mode, version and hash, as scores carry it: `golden-batch@1+0123456789`."""
    return f"golden-{golden.options.mode}@{VERSION}+{_hash(golden)[:10]}"


def _hash(golden: Golden) -> str:
    return hashlib.sha256(msgspec.json.encode(golden, enc_hook=_list)).hexdigest()


def _list(value: Any) -> Any:  # Any: msgspec hands over what it cannot write itself
    if isinstance(value, np.ndarray):
        if not np.all(np.isfinite(value)):
            raise ShapeError("expected finite numbers in a model, received others; this is a fault of the fit")
        return value.tolist()
    raise TypeError(f"expected an array, received {type(value).__name__}")


def _array(kind: Any, value: Any) -> Any:  # Any: msgspec's hook; the one type it cannot read itself is an array
    array = np.asarray(value, dtype=np.float64)
    if not np.all(np.isfinite(array)):
        raise ValueError("numbers that are none")
    return array
