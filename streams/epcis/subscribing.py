"""Tell subscribers what their queries find: as events come, or by a schedule.

Each subscription has its own place, which moves only when the subscriber said 200 to what lies before it: a failure is
tried again from the same place, and what was taken is never sent again. Each is told in a task of its own, so one that
does not answer holds nobody up.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import structlog

from schemas.errors import InputError
from schemas.instants import SECOND
from streams.api.problems import ProblemError
from streams.api.services import now
from streams.epcis.answering import LD_JSON, VERSIONS, document_of
from streams.epcis.asked import read_query
from streams.epcis.following import Follower
from streams.epcis.schedule import Schedule, next_due
from streams.epcis.sending import SendError, post, signature_of
from streams.ledger import epcis_index, epcis_queries
from streams.ledger.epcis_queries import MOST_SUBSCRIPTIONS, Subscription
from streams.ledger.epcis_reads import Slice, Stored, read_events
from streams.ledger.epcis_store import EpcisStore

MOST_EVENTS = 500  # of one message
WAIT_SECONDS = 1.0
FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 300.0
STOP_SECONDS = 3.0
RETRY_SECONDS = 1.0
_CLAIMED = 100
_LOOKING = 2  # subscriptions that read the index at once; the other connections are for those who write

_log = structlog.get_logger(__name__)


class Subscriber:
    """Tells the subscribers of this ledger; several processes share them out. `loopback`: whether loopback is told."""

    def __init__(self, store: EpcisStore, follower: Follower, *, loopback: bool) -> None:
        self._store = store
        self._follower = follower
        self.loopback = loopback
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Semaphore(_LOOKING)
        self._telling: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to tell, in the background."""
        self._task = asyncio.create_task(self._run(), name="epcis subscriptions")

    async def stop(self) -> None:
        """Stop telling. A message under way is given up, and sent again when its hold has run out."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        under_way = list(self._telling)
        if under_way:
            await asyncio.wait(under_way, timeout=STOP_SECONDS)  # so that what was taken is noted as taken
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                room = MOST_SUBSCRIPTIONS - len(self._telling)
                async with self._store.connection() as connection:
                    due = await epcis_queries.claim(connection, min(room, _CLAIMED)) if room > 0 else []
                for each in due:
                    task = asyncio.create_task(self._tell(each), name=f"epcis subscription {each.id}")
                    self._telling.add(task)
                    task.add_done_callback(self._telling.discard)
                if len(due) < _CLAIMED:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._follower.moved(), WAIT_SECONDS)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # the database may be away for any reason; it is told, and tried again
                _log.warning("subscribers wait", error=repr(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _tell(self, subscription: Subscription) -> None:
        """Tell one subscriber once."""
        try:
            bound, (found, more) = await self._look(subscription)
            if found or (subscription.report_if_empty and subscription.schedule is not None):
                await self._send(subscription, found)
            up_to = found[-1].no if more else bound
            recorded = found[-1].record_time if found else None
            async with self._store.connection() as connection:
                await epcis_queries.told(
                    connection, subscription, up_to, recorded, len(found), now() if more else _next(subscription)
                )
        except (SendError, ProblemError, InputError) as error:
            await self._fail(subscription, str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the database may be away; the hold runs out, and another turn tries again
            _log.warning("a subscriber waits", subscription=subscription.id, error=repr(error))
            await self._fail(subscription, f"the ledger did not answer ({type(error).__name__})")

    async def _look(self, subscription: Subscription) -> tuple[int, Slice]:
        """Find what is new to a subscriber, and up to where was looked."""
        asked = read_query(subscription.asked)
        asked.query.by, asked.query.newest_first = "", False
        asked.query.since.append(("record_time", subscription.first_record))
        async with self._looking, self._store.connection() as connection:
            bound = await epcis_index.newest(connection)
            found = await read_events(connection, asked.query, MOST_EVENTS, bound, above=subscription.after_no)
        return max(bound, subscription.after_no), found

    async def _send(self, subscription: Subscription, found: list[Stored]) -> None:
        body = await asyncio.to_thread(document_of, found, subscription.query, subscription.id)
        headers = {
            "Content-Type": LD_JSON,
            "User-Agent": "twinstream",
            "GS1-EPCIS-Version": VERSIONS["GS1-EPCIS-Version"],
            "GS1-CBV-Version": VERSIONS["GS1-CBV-Version"],
            "GS1-Query-Name": subscription.query,
            "GS1-Subscription-ID": subscription.id,
        }
        if subscription.secret:
            headers["GS1-Signature"] = signature_of(subscription.secret, body)
        await post(subscription.dest, body, headers, self.loopback)

    async def _fail(self, subscription: Subscription, reason: str) -> None:
        seconds = min(FIRST_RETRY_SECONDS * 2.0 ** min(subscription.failures, 16), LONGEST_RETRY_SECONDS)
        with contextlib.suppress(Exception):  # the database is away: the hold runs out by itself
            async with self._store.connection() as connection:
                await epcis_queries.failed(connection, subscription, reason, seconds)


def _next(subscription: Subscription) -> int:
    """Give when a subscription is due again: at once for one that is told as events come."""
    if subscription.schedule is None:
        return now() - SECOND
    return next_due(msgspec.convert(subscription.schedule, Schedule), now())
