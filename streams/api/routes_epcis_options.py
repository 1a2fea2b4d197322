"""What an address of EPCIS' interfaces can do: OPTIONS, with the versions spoken and the limits of a capture."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.routing import Route

from streams.api import routes_epcis, routes_epcis_capture, routes_epcis_queries
from streams.api.problems import ProblemError
from streams.api.routes_epcis_capture import LIMITS
from streams.epcis.answering import VERSIONS

PREFIX = "/api/v1/epcis"
_MODULES = (routes_epcis, routes_epcis_capture, routes_epcis_queries)

router = APIRouter(prefix=PREFIX, tags=["epcis"])


@router.options("/{rest:path}", summary="What an address can do, and the limits of a capture", status_code=204)
async def options(request: Request) -> Response:
    """`Allow`, the versions, and where documents are captured the limits."""
    path = request.url.path
    allowed: set[str] = set()
    for module in _MODULES:
        for route in module.router.routes:
            if isinstance(route, Route) and route.path_regex.match(path):
                allowed |= route.methods or set()
    if not allowed:
        raise ProblemError(404, f"expected an address of EPCIS, received {path[:120]!r}", VERSIONS)
    headers = LIMITS if path.startswith(f"{PREFIX}/capture") else VERSIONS
    return Response(None, 204, {**headers, "Allow": ", ".join(sorted(allowed | {"OPTIONS"}))})
