"""Every error that leaves the API, in one shape: RFC 9457 problem details, without a stack trace."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from schemas.errors import InputError, LogError, TwinstreamError

MEDIA = "application/problem+json"
TITLES = {
    400: "The request cannot be understood",
    401: "An API key is needed",
    403: "Not allowed",
    404: "There is no such thing",
    405: "Not that way",
    409: "Not as things stand",
    413: "Too large",
    415: "Not a format that is read here",
    421: "Not a name of this service",
    422: "Nothing of this could be used",
    429: "Too many at once",
    500: "A fault in the program",
    503: "Not ready",
}
AWAY = "the ledger's database does not answer; `twinstream doctor` says why, and pages go on when it is back"

_log = structlog.get_logger(__name__)


class ProblemError(TwinstreamError):
    """An answer that says no. `detail` says what was expected, what came and what to do."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.more = more


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    """Write a problem as a response. `more` are members beside the standard ones."""
    body = {"type": "about:blank", "title": TITLES.get(status, "No"), "status": status, "detail": detail, **more}
    return Response(msgspec.json.encode(body), status, headers, MEDIA)


def add_handlers(app: FastAPI) -> None:
    """Make every error of an app a problem."""
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(InputError, _input)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(psycopg.errors.QueryCanceled, _too_long)
    app.add_exception_handler(psycopg.DataError, _data)
    app.add_exception_handler(psycopg.errors.UndefinedTable, _away)
    app.add_exception_handler(psycopg.OperationalError, _away)
    app.add_exception_handler(PoolTimeout, _away)
    app.add_exception_handler(LogError, _no_log)
    app.add_exception_handler(Exception, _fault)


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return problem(error.status, error.detail, error.headers, **error.more)


async def _input(_: Request, error: Exception) -> Response:
    return problem(400, str(error))


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = (
        "the address names nothing here; /api/v1/openapi.json lists what there is" if error.status_code == 404 else ""
    )
    return problem(error.status_code, detail or str(error.detail), dict(error.headers or {}))


async def _validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return problem(400, f"{first['msg']}, received {str(first.get('input'))[:60]!r}, in {where or 'the request'}")


async def _too_long(_: Request, error: Exception) -> Response:
    return problem(
        503, "the ledger took too long for this; ask for a shorter window or fewer points", {"Retry-After": "5"}
    )


async def _data(_: Request, error: Exception) -> Response:
    return problem(
        400, "a value of the request is outside of what the ledger can hold; check numbers, times and cursor"
    )


async def _away(_: Request, error: Exception) -> Response:
    _log.warning("database away", error=type(error).__name__)
    return problem(503, AWAY, {"Retry-After": "2"})


async def _no_log(_: Request, error: Exception) -> Response:
    _log.warning("topic log away", error=repr(error))
    return problem(503, "the topic log does not answer; send the events again", {"Retry-After": "2"})


async def _fault(request: Request, error: Exception) -> Response:
    _log.error("request failed", path=request.url.path, exc_info=error)
    return problem(500, "the fault was logged with its cause; please report it")
