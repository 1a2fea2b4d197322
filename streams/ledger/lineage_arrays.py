"""Send and receive whole columns of integers as PostgreSQL's arrays, without a Python object for each.

Source: `array_send` and `array_recv` in PostgreSQL's arrayfuncs.c: five int4 of header, then length and value of each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.pq import Format

_INT2, _INT4, _INT8 = 21, 23, 20
_ARRAY = {_INT2: 1005, _INT4: 1007, _INT8: 1016}
_WIRE = {oid: np.dtype([("length", ">i4"), ("value", f">i{size}")]) for oid, size in ((21, 2), (23, 4), (20, 8))}


class Int4s:
    """An array (n,) to be sent as int4[]."""

    __slots__ = ("values",)
    element = _INT4

    def __init__(self, values: NDArray[np.int64]) -> None:
        self.values = values


class Int8s(Int4s):
    """An array (n,) to be sent as int8[]."""

    __slots__ = ()
    element = _INT8


class _Send(Dumper):
    format = Format.BINARY

    def dump(self, obj: Int4s) -> Buffer:
        wire = _WIRE[obj.element]
        if not len(obj.values):
            return np.array([0, 0, obj.element], dtype=">i4").tobytes()
        body = np.empty(len(obj.values), dtype=wire)
        body["length"] = wire["value"].itemsize
        body["value"] = obj.values
        return np.array([1, 0, obj.element, len(obj.values), 1], dtype=">i4").tobytes() + body.tobytes()


class _SendInt4s(_Send):
    oid = _ARRAY[_INT4]


class _SendInt8s(_Send):
    oid = _ARRAY[_INT8]


class _Receive(Loader):
    format = Format.BINARY
    element = _INT8

    def load(self, data: Buffer) -> NDArray[np.int64]:
        if len(data) <= 12:
            return np.zeros(0, dtype=np.int64)
        return np.frombuffer(data, dtype=_WIRE[self.element], offset=20)["value"].astype(np.int64)


class _ReceiveInt4s(_Receive):
    element = _INT4


class _ReceiveInt2s(_Receive):
    element = _INT2


def speak_arrays(context: psycopg.abc.AdaptContext | Any) -> None:  # Any: both kinds of cursors
    """Make a cursor, or a connection, send `Int4s` and `Int8s` and give arrays of int2, int4 and int8 as numpy's.

    A null inside such an array is not understood; a null array is None.
    """
    adapters = context.adapters
    adapters.register_dumper(Int4s, _SendInt4s)
    adapters.register_dumper(Int8s, _SendInt8s)
    for oid, loader in ((_INT2, _ReceiveInt2s), (_INT4, _ReceiveInt4s), (_INT8, _Receive)):
        adapters.register_loader(_ARRAY[oid], loader)
