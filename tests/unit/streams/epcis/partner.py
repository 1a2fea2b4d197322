"""The API over its own topic log, a partner who captures and asks, and events to send."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import httpx

from streams.api import ApiConfig, ApiServer, create_app
from streams.appending import async_reader, async_writer
from tests.browser.site import Site, wait_for

_NUMBER = itertools.count(1)


class LoggedSite(Site):
    """The API over the topic log in its database, as it is served."""

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        config = ApiConfig(self._database, port=self.port, **self._settings)
        async with async_reader(None, self._database) as reader, async_writer(None, self._database) as writer:
            self._server = ApiServer(create_app(config, reader=reader, writer=writer), config)
            await self._server.serve()


class Partner:
    """A partner who captures and asks."""

    def __init__(self, site: Site, database: str) -> None:
        self.database = database
        self.client = httpx.Client(base_url=f"{site.url}/api/v1/epcis", timeout=20)

    def capture(self, document: Any, behaviour: str = "", **headers: str) -> dict[str, Any]:
        """Capture a document, and give the job when it has ended."""
        if behaviour:
            headers["GS1-Capture-Error-Behaviour"] = behaviour
        answer = self.client.post("/capture", json=document, headers=headers)
        assert answer.status_code == 202, answer.text
        return self.ended(answer.headers["Location"])

    def ended(self, location: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def done() -> bool:
            found.update(self.client.get(str(self.client.base_url.copy_with(path=location))).json())
            return not found["running"]

        wait_for(done, 15)
        return found

    def events(self, path: str = "/events", **given: Any) -> list[dict[str, Any]]:
        """Ask, and give the events of the first page."""
        answer = self.client.get(path, params=given)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"])


def seen(epc: str, minute: int = 0, **more: Any) -> dict[str, Any]:
    """An object event."""
    return {
        "type": "ObjectEvent",
        "eventTime": f"2026-03-01T08:{minute:02d}:00Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "shipping",
        "epcList": [epc],
        **more,
    }


def document(*events: dict[str, Any]) -> dict[str, Any]:
    """A document of events."""
    return {
        "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-03-01T09:00:00Z",
        "epcisBody": {"eventList": list(events)},
    }


def new_box() -> str:
    """Name a box that no other test knows; its last six characters tell it from others."""
    return f"urn:epc:id:sgtin:4012345.011111.BOX{next(_NUMBER):03d}"
