"""The dashboard's pages and their files, as they lie in `static/`."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles

STATIC = Path(str(resources.files("streams.api") / "static"))

router = APIRouter(include_in_schema=False)


@router.get("/")
async def overview() -> FileResponse:
    """All units at a glance."""
    return FileResponse(STATIC / "index.html")


@router.get("/unit")
async def unit() -> FileResponse:
    """One unit."""
    return FileResponse(STATIC / "unit.html")


@router.get("/study")
async def study() -> FileResponse:
    """One study."""
    return FileResponse(STATIC / "study.html")


@router.get("/network")
async def network() -> FileResponse:
    """One network: all patients as queues and capacity."""
    return FileResponse(STATIC / "network.html")


@router.get("/patient")
async def patient() -> FileResponse:
    """One patient's cells."""
    return FileResponse(STATIC / "patient.html")


@router.get("/box")
async def box() -> FileResponse:
    """One box on its way."""
    return FileResponse(STATIC / "box.html")


@router.get("/room")
async def room() -> FileResponse:
    """One cleanroom."""
    return FileResponse(STATIC / "room.html")


@router.get("/what-if")
async def what_if() -> FileResponse:
    """A question about a network: what if."""
    return FileResponse(STATIC / "whatif.html")


@router.get("/alarms")
async def alarms() -> FileResponse:
    """The alarm system as a whole."""
    return FileResponse(STATIC / "alarms.html")


@router.get("/jobs")
async def jobs() -> FileResponse:
    """The re-simulation pool."""
    return FileResponse(STATIC / "jobs.html")


@router.get("/favicon.ico")
async def icon() -> FileResponse:
    """The icon, where browsers look for it."""
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")


def static_files() -> StaticFiles:
    """Serve the files that the pages name. Browsers ask each time whether they changed."""
    return _Revalidated(directory=STATIC)


class _Revalidated(StaticFiles):
    def file_response(self, *args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response
