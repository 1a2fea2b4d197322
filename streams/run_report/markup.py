"""Write HTML and SVG: elements of escaped text. Nothing that comes from outside can become markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

# What no page should hold as it is: control characters, and those that turn the direction of text around.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9:_-]*")
VOID = frozenset({"meta", "br", "hr", "col"})


class Markup(str):
    """Text that is markup already; only this module and constants of ours make it."""

    __slots__ = ()


Content = str | int | float | None | Iterable["Content"]


def escape(text: str) -> str:
    """Write text so that a page shows it letter by letter; hidden characters are named.

    Examples
    --------
    >>> escape("<b>&\\u202e")
    '&lt;b&gt;&amp;[U+202E]'
    """
    return html.escape(_HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text), quote=True)


def join(*content: Content) -> Markup:
    """Write content one after the other; None is nothing."""
    parts: list[str] = []
    for one in content:
        if one is None:
            continue
        if isinstance(one, Markup):
            parts.append(one)
        elif isinstance(one, str):
            parts.append(escape(one))
        elif isinstance(one, int | float):
            parts.append(escape(str(one)))
        else:
            parts.append(join(*one))
    return Markup("".join(parts))


def el(tag: str, *content: Content, **attributes: str | int | float | bool | None) -> Markup:
    """Write an element.

    Parameters
    ----------
    tag : str
        Its name.
    content
        Text (escaped), markup, numbers, or lists of them.
    attributes
        `class_` is class, an underscore inside a name is a hyphen; None and False leave an attribute out.

    Raises
    ------
    ValueError
        If a name is none: names are never data.

    Examples
    --------
    >>> el("td", "a<b", class_="n")
    '<td class="n">a&lt;b</td>'
    """
    words = [tag]
    for name, value in attributes.items():
        plain = name.rstrip("_").replace("_", "-")
        if not _NAME.fullmatch(plain):
            raise ValueError(f"expected a name of an attribute, received {name!r}")
        if value is True:
            words.append(plain)
        elif value is not None and value is not False:
            words.append(f'{plain}="{escape(str(value))}"')
    if not _NAME.fullmatch(tag):
        raise ValueError(f"expected a name of an element, received {tag!r}")
    if tag in VOID:
        return Markup(f"<{' '.join(words)}>")
    return Markup(f"<{' '.join(words)}>{join(*content)}</{tag}>")
