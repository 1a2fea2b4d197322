"""Requests on the topic become jobs, each once, whoever dispatches; what cannot be read stops nobody."""

from __future__ import annotations

import threading

import pytest

from schemas.events import LARGEST_RECORD
from schemas.placement import partition_of
from streams.jobs.dispatcher import TOPIC, Dispatcher
from streams.log import Producer
from tests.support.engines import rows_of
from tests.support.jobs import line, race, said, states

pytestmark = pytest.mark.postgres


def put(uri: str, *rows: tuple[bytes | None, bytes | None]) -> None:
    producer = Producer(uri, "test-requests")
    producer.append(TOPIC, [(key, value, None) for key, value in rows])
    producer.close()


def dispatch(uri: str) -> None:
    dispatcher = Dispatcher(None, uri)
    while dispatcher.round():
        pass
    dispatcher.close()


def test_requests_become_jobs_and_a_restart_goes_on_after_them(uri: str) -> None:
    put(uri, *((f"BR-{i}".encode(), line(f"r{i}", f"BR-{i}", seed=i)) for i in range(20)))
    dispatch(uri)
    put(uri, (b"BR-3", line("late", "BR-99", seed=3)), (b"BR-50", line("r50", "BR-50", seed=50)))
    dispatch(uri)
    assert set(states(uri)) == {f"r{i}" for i in range(20)} | {"r50"}
    partition = partition_of(b"BR-50", 8)
    ((place,),) = rows_of(uri, "select place from job where id = 'r50'")
    assert place.startswith(f"{TOPIC}/{partition}/")


def test_what_cannot_be_read_is_a_dead_letter_and_stops_nobody(uri: str) -> None:
    bad = [
        (b"BR-1", b"no json"),
        (b"BR-1", None),
        (b"BR-1", b"[" * 5000),
        (b"BR-1", line("x", "BR-2")),  # another's key
        (b"BR-1", line("y", "BR-1", kind="nobody's engine")),
        (b"BR-1", line("z", "BR-1").replace(b'"request"', b'"alert"', 1)),
        (b"BR-1", line("n\\u0000", "BR-1").replace(b"\\\\u", b"\\u")),
        (b"BR-1", line("d", "BR-1", deadline="soon")),
        (b"BR-1", b" " * (LARGEST_RECORD + 1)),
    ]
    put(uri, *bad, (b"BR-1", line("good", "BR-1")))
    dispatch(uri)
    assert states(uri) == {"good": "queued"}
    letters = said(uri, "resim.requests.dlq")
    assert len(letters) == len(bad)
    assert [int(headers["origin_offset"]) for _, _, headers in letters] == list(range(len(bad)))
    assert all(headers["reject_reason"] and headers["reject_received"] for _, _, headers in letters)
    assert letters[0][1] == b"no json"


def test_two_dispatchers_take_each_once(uri: str) -> None:
    put(uri, *((f"BR-{i}".encode(), line(f"r{i}", f"BR-{i}", seed=i)) for i in range(200)), (b"BR-0", b"bad"))
    race(*[lambda: dispatch(uri)] * 2)
    assert len(states(uri)) == 200
    assert len(said(uri, "resim.requests.dlq")) == 1


def test_it_dies_between_writing_and_committing_and_another_takes_all(uri: str) -> None:
    class DiedError(BaseException):
        pass

    def die(step: str) -> None:
        if step == "submit_written":
            raise DiedError

    put(uri, (b"BR-1", line("a", "BR-1")), (b"BR-1", b"bad"))
    dying = Dispatcher(None, uri, at_step=die)
    with pytest.raises(DiedError):
        dying.round()
    dying.close()
    assert states(uri) == {}
    assert said(uri, "resim.requests.dlq") == []
    dispatch(uri)
    assert states(uri) == {"a": "queued"}
    assert len(said(uri, "resim.requests.dlq")) == 1


def test_its_thread_stops_when_told(uri: str) -> None:
    stop = threading.Event()
    dispatcher = Dispatcher(None, uri)
    thread = threading.Thread(target=dispatcher.run, args=(stop,))
    thread.start()
    put(uri, (b"BR-1", line("a", "BR-1")))
    limit = threading.Event()
    for _ in range(400):
        if states(uri):
            break
        limit.wait(0.025)
    stop.set()
    thread.join(10.0)
    assert not thread.is_alive()
    assert states(uri) == {"a": "queued"}
