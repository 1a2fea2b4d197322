"""A second array namespace: it computes what numpy computes, and refuses all that a pure array function must not do.

No writing into an array, no branching on a value, no silent way back to numpy. What runs here runs where arrays are
immutable and traced, as in JAX.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class StrictArray:
    """An immutable array without a truth value."""

    __array_ufunc__ = None  # a numpy function that meets one raises
    __slots__ = ("_values",)

    def __init__(self, values: Any) -> None:
        self._values = np.array(values, dtype=None)
        self._values.setflags(write=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._values.shape

    def __getitem__(self, place: Any) -> StrictArray:
        return StrictArray(self._values[place])

    def __iter__(self) -> Any:
        raise TypeError("iterating over an array is not traced")

    def __bool__(self) -> bool:
        raise TypeError("an array has no truth value; use xp.where")

    def __float__(self) -> float:
        raise TypeError("an array is no number")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("use the namespace that was handed in, not numpy")

    def __neg__(self) -> StrictArray:
        return StrictArray(-self._values)


def _operator(name: str) -> Any:
    def apply(self: StrictArray, other: Any) -> Any:
        result = getattr(self._values, name)(_plain(other))
        return result if result is NotImplemented else StrictArray(result)

    return apply


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(StrictArray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(StrictArray, f"__r{_name}__", _operator(f"__r{_name}__"))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(StrictArray, f"__{_name}__", _operator(f"__{_name}__"))


class StrictNamespace:
    """The functions that models may use, all of them in numpy, JAX and the array API standard."""

    nan = np.nan
    _names = (
        "concat", "exp", "expm1", "log", "log10", "logaddexp", "maximum", "minimum", "ones_like", "sqrt", "stack",
        "tanh", "where", "broadcast_arrays",
    )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            raise AttributeError(f"{name} is not among what models may use: {', '.join(self._names)}")
        function = getattr(np, name)

        def apply(*arguments: Any) -> Any:
            result = function(*(_plain(one) for one in arguments))
            return [StrictArray(one) for one in result] if isinstance(result, tuple | list) else StrictArray(result)

        return apply


def plain(array: StrictArray) -> Any:
    """Give the numpy array, for comparing."""
    return array._values


def _plain(value: Any) -> Any:
    if isinstance(value, StrictArray):
        return value._values
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
