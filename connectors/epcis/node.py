"""One object of an EPCIS document, JSON or XML, with typed access to its fields: a refusal names the field's path."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.epcis.extensions import (
    CONTROL,
    LONGEST_TEXT,
    LONGEST_URI,
    prefixes_of,
    read_extension,
    said,
    to_float,
)
from connectors.epcis.moments import moment_at
from connectors.epcis.vocabulary import Words, bare
from schemas.epcis import MOST_ITEMS, Extension
from schemas.errors import InputError, InvalidFieldError

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s\x00-\x20\x7f<>\"{}|\\^`]+")
_BLANK = re.compile(r"_:[A-Za-z0-9._\-]{1,100}")


@dataclass(frozen=True, slots=True)
class Node:
    """An object: its fields by name, where it stands, the prefixes in force. `textual`: numbers come as text (XML)."""

    fields: Mapping[str, object]
    where: str
    context: Mapping[str, str]
    textual: bool = False

    def path(self, name: str) -> str:
        """Name a field for a reader: `eventList[2].readPoint.id`."""
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        """Tell whether a field is there at all."""
        return name in self.fields

    def bad(self, name: str, expected: str, advice: str = "") -> InputError:
        """Make the refusal of a field."""
        value = self.fields.get(name, None)
        received = "nothing" if name not in self.fields else said(value)
        return InvalidFieldError(expected=expected, received=received, where=self.path(name), advice=advice)

    def need(self, name: str, expected: str) -> None:
        """Refuse an object without a field that it must have."""
        if name not in self.fields or self.fields[name] is None:
            raise self.bad(name, expected)

    def text(self, name: str, longest: int = LONGEST_TEXT) -> str | None:
        """Give a text, or None where the field is missing."""
        if name not in self.fields:
            return None
        value = self.fields[name]
        if not isinstance(value, str) or len(value) > longest or CONTROL.search(value):
            raise self.bad(name, f"a text of at most {longest} printable characters")
        return value

    def uri(self, name: str) -> str | None:
        """Give a URI."""
        return self._as_uri(self.fields[name], self.path(name)) if name in self.fields else None

    def event_id(self, name: str) -> str | None:
        """Give the id of an event: a URI, or the name of a blank node (`_:event1`), which means this document's."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and _BLANK.fullmatch(value) else self.uri(name)

    def needed_uri(self, name: str) -> str:
        """Give a URI that must be there."""
        found = self.uri(name)
        if found is None:
            raise self.bad(name, "a URI")
        return found

    def uris(self, name: str) -> tuple[str, ...]:
        """Give a list of URIs."""
        return tuple(self._as_uri(value, f"{self.path(name)}[{n}]") for n, value in enumerate(self.items(name)))

    def words(self, name: str, words: Words) -> tuple[str, ...]:
        """Give a list of words or URIs; one alone is a list of one."""
        if isinstance(self.fields.get(name), str):
            return (self._as_word(self.fields[name], self.path(name), words),)
        return tuple(self._as_word(value, f"{self.path(name)}[{n}]", words) for n, value in enumerate(self.items(name)))

    def word(self, name: str, words: Words) -> str | None:
        """Give a standard word, bare, or the URI of another."""
        return self._as_word(self.fields[name], self.path(name), words) if name in self.fields else None

    def choice(self, name: str, allowed: Iterable[str]) -> str | None:
        """Give one of few words."""
        if name not in self.fields:
            return None
        value = self.fields[name]
        if not isinstance(value, str) or value not in allowed:
            raise self.bad(name, f"one of {', '.join(allowed)}")
        return value

    def moment(self, name: str) -> str | None:
        """Give a time as its text, checked."""
        if name not in self.fields:
            return None
        value = self.fields[name]
        if not isinstance(value, str):
            raise self.bad(name, "a date and time with its zone, as text")
        moment_at(value, self.path(name))
        if len(value) > 40:
            raise self.bad(name, "a time of at most 40 characters")
        return value

    def number(self, name: str) -> float | None:
        """Give a finite number."""
        if name not in self.fields:
            return None
        value = self.fields[name]
        spelled = self.textual and isinstance(value, str) and value.isascii() and "_" not in value
        usable = spelled or (isinstance(value, int | float) and not isinstance(value, bool))
        number = to_float(value) if usable else None  # type: ignore[arg-type]  # a number, or the text of one
        if number is None or not math.isfinite(number):
            raise self.bad(name, "a finite number")
        return number

    def boolean(self, name: str) -> bool | None:
        """Give true or false."""
        if name not in self.fields:
            return None
        value = self.fields[name]
        if self.textual and isinstance(value, str):
            value = {"true": True, "1": True, "false": False, "0": False}.get(value)
        if not isinstance(value, bool):
            raise self.bad(name, "true or false")
        return value

    def matching(self, name: str, pattern: re.Pattern[str], expected: str) -> str | None:
        """Give a text of a given form."""
        found = self.text(name, LONGEST_TEXT)
        if found is not None and not pattern.fullmatch(found):
            raise self.bad(name, expected)
        return found

    def items(self, name: str) -> list[object]:
        """Give a list as it stands."""
        value = self.fields.get(name, [])
        if not isinstance(value, list) or len(value) > MOST_ITEMS:
            raise self.bad(name, f"a list of at most {MOST_ITEMS} entries")
        return value

    def node(self, name: str) -> Node | None:
        """Give an inner object."""
        return self._as_node(self.fields[name], self.path(name)) if name in self.fields else None

    def nodes(self, name: str) -> list[Node]:
        """Give a list of objects."""
        return [self._as_node(value, f"{self.path(name)}[{n}]") for n, value in enumerate(self.items(name))]

    def extensions(self, known: Iterable[str], strays: Iterable[str] = ()) -> tuple[Extension, ...]:
        """Give the fields that are none of `known`: they must be of a namespace, or of `strays`."""
        others = [name for name in self.fields if name not in known and name != "@context"]
        for name in others:
            if ":" not in name and name[:1] not in "{@" and name not in strays:
                raise InvalidFieldError(
                    expected="a field that EPCIS knows there, or one of a namespace such as `example:field`",
                    received=f"the field {name[:60]!r}",
                    where=self.path(name[:60]),
                    advice="check its spelling and the type of the event",
                )
        return tuple(
            each for name in others for each in read_extension(name, self.fields[name], self.path(name), self.context)
        )

    def all_extensions(self) -> tuple[Extension, ...]:
        """Give all fields as extensions, such as those of `ilmd`; names without a namespace too."""
        return tuple(
            each
            for name, value in self.fields.items()
            if name != "@context"
            for each in read_extension(name, value, self.path(name), self.context)
        )

    def _as_node(self, value: object, where: str) -> Node:
        if not isinstance(value, dict):
            raise InvalidFieldError(expected="an object", received=said(value), where=where)
        context = self.context
        if "@context" in value:
            context = {**context, **prefixes_of(value["@context"])}
        return Node(value, where, context, self.textual)

    def _as_uri(self, value: object, where: str) -> str:
        if not isinstance(value, str) or len(value) > LONGEST_URI or not _URI.fullmatch(value):
            raise InvalidFieldError(
                expected="a URI such as urn:epc:id:sgtin:4012345.011111.9876 or https://id.gs1.org/414/4012345000115",
                received=said(value),
                where=where,
            )
        return value

    def _as_word(self, value: object, where: str, words: Words) -> str:
        if isinstance(value, str) and value in words.words:
            return value
        if not isinstance(value, str) or ":" not in value:
            raise InvalidFieldError(
                expected=f"{words.name} (a standard word) or a URI",
                received=said(value),
                where=where,
                advice="write words that are not of the standard as a whole URI",
            )
        return bare(self._as_uri(value, where), words)
