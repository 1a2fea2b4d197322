"""Say in the API's description what a body must be, from the struct that reads it."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

Schema = dict[str, Any]  # Any: JSON Schema

_REF = "#/$defs/"


def body_of(shape: type[Struct]) -> Schema:
    """Give what a route's `openapi_extra` needs for a body of one shape, references written out.

    Examples
    --------
    >>> class Ended(Struct):
    ...     by: str
    >>> body_of(Ended)["requestBody"]["content"]["application/json"]["schema"]["required"]
    ['by']
    """
    schema = msgspec.json.schema(shape)
    written = _written_out(schema, schema.get("$defs", {}))
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": written}}}}


def _written_out(value: Any, definitions: Schema) -> Any:  # Any: JSON
    if isinstance(value, list):
        return [_written_out(one, definitions) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _written_out(definitions[str(value["$ref"]).removeprefix(_REF)], definitions)
    return {name: _written_out(one, definitions) for name, one in value.items() if name != "$defs"}
