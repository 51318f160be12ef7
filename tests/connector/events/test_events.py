"""Events: every one has words in two languages, none is lost on its way to a listener who comes back, none fails who tells it."""

from __future__ import annotations

import asyncio
import json
import string
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loguru import logger

from connector import facts
from connector.events import BY_NAME, Event, Events, Severity
from connector.events import stream as events_stream
from connector.events.registry import ALL, Back, HealthData, Nothing, Offline, Problem, Queue, sentence
from connector.facts import ConnectionRef
from connector.spool import Spool
from sessions.model import Address, Delivery, Message, Outcome, Receipt, SendStatus

LOJA = ConnectionRef("loja", "11111111-1111-4111-8111-111111111111", "Loja", "ana")
SINKS = frozenset({"record", "webhook", "alert"})


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    opened = await Spool.opened(tmp_path / "spool")
    yield opened
    await opened.close()


@pytest.fixture
async def events(spool: Spool) -> AsyncIterator[Events]:
    """Events that are written by their own task."""
    told = Events(spool.journal, spool.outbox, SINKS)
    running = asyncio.create_task(told.run())
    yield told
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def text_of(event: Event | None) -> dict[str, object]:
    assert event is not None
    return json.loads(event.body)


async def until_kept(spool: Spool, count: int) -> list[str]:
    async with asyncio.timeout(10):
        while len(kept := await spool.journal.after(0)) < count:  # noqa: ASYNC110 - another task writes the file
            await asyncio.sleep(0.01)
    return [it.name for it in kept]


def a_message(text: str = "oi") -> facts.Fact:
    return {
        "id": f"evt_{text}",
        "type": "messageReceived",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "data": {"content": text},
    }


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_every_event_has_words_that_its_data_fill(kind) -> None:
    fields = {field.name for field in msgspec.structs.fields(kind.data)}
    for words in (kind.pt, kind.en):
        named = {name.partition(":")[0] for _, name, _, _ in string.Formatter().parse(words) if name}
        assert words.strip()
        assert named <= fields


def test_names_are_unique_and_found() -> None:
    assert len(BY_NAME) == len(ALL)


def test_lists_read_as_words() -> None:
    told = sentence(
        BY_NAME["serviceRestarted"],
        msgspec.convert({"services": ["sinks", "watchdog"]}, BY_NAME["serviceRestarted"].data),
        "en",
    )
    assert told == "An operator restarted: sinks, watchdog."


async def test_what_is_published_is_streamed_kept_and_queued(events: Events, spool: Spool) -> None:
    async with aclosing(events.listen(None)) as heard:
        first = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0)
        events.publish(Offline(reason="It sleeps.", waiting=3), "supabaseOffline")
        told = text_of(await asyncio.wait_for(first, 10))
    assert told["type"] == "supabaseOffline"
    assert told["data"] == {
        "reason": "It sleeps.",
        "waiting": 3,
        "message": "O banco de dados não responde: It sleeps. Nada se perde; 3 linhas aguardam.",
        "messageEn": "The database does not answer: It sleeps. Nothing is lost; 3 rows wait.",
    }
    assert await until_kept(spool, 1) == ["supabaseOffline"]
    for sink in ("webhook", "alert"):
        (row,) = await spool.outbox.read(sink, 10)
        assert json.loads(row.body) == told
    assert await spool.outbox.read("record", 10) == []


async def test_only_critical_events_alert(events: Events, spool: Spool) -> None:
    events.publish(Nothing(), "serviceStarted")
    await until_kept(spool, 1)
    assert BY_NAME["serviceStarted"].severity is Severity.INFO
    assert await spool.outbox.read("alert", 10) == []
    assert len(await spool.outbox.read("webhook", 10)) == 1


async def test_each_is_one_line(events: Events) -> None:
    """What it says in English, and why; an end says after how long. What somebody has to mend is a warning."""
    lines: list[Any] = []
    handler = logger.add(lambda line: lines.append(line.record))
    events.publish(Offline(reason="It sleeps {.", waiting=3), "supabaseOffline")
    events.publish(Back(after_s=12.5, waiting=3), "supabaseOnline")
    events.publish(HealthData(status="degraded", reasons=["sink_a", "spool"]), "healthCheck")
    events.publish(Problem(problem="session_silent", about="loja", detail="It is silent."), "problemFound", LOJA)
    logger.remove(handler)
    assert [(one["level"].name, one["extra"]) for one in lines] == [
        ("WARNING", {"event": "supabaseOffline", "reason": "It sleeps {."}),
        ("INFO", {"event": "supabaseOnline", "duration_s": 12.5}),
        ("INFO", {"event": "healthCheck", "reason": "sink_a, spool"}),
        ("WARNING", {"event": "problemFound", "connection": "loja", "reason": "session_silent"}),
    ]
    assert lines[0]["message"] == "The database does not answer: It sleeps {. Nothing is lost; 3 rows wait."


async def test_an_event_names_whose_it_is(events: Events, spool: Spool) -> None:
    events.publish(BY_NAME["sessionDeaf"].data(reason="deaf", message="x"), "sessionDeaf", LOJA)  # pyright: ignore[reportCallIssue]
    await until_kept(spool, 1)
    (row,) = await spool.outbox.read("webhook", 10)
    assert row.chain == LOJA.session
    assert json.loads(row.body)["data"]["ownerId"] == "ana"


async def test_who_comes_back_misses_nothing_kept(events: Events, spool: Spool) -> None:
    for _ in range(1200):  # more than a page of the journal
        events.publish(Nothing(), "serviceStarted")
    await until_kept(spool, 500)
    start = (await spool.journal.after(0, limit=1))[0].id
    got: list[int] = []
    async with aclosing(events.listen(start - 1)) as heard, asyncio.timeout(30):
        async for event in heard:
            if event is None:
                continue
            got.append(event.number)
            if len(got) == 1200:
                break
    assert got == sorted(set(got))
    assert len(got) == 1200


async def test_live_events_follow_those_from_before_without_a_gap_or_a_double(events: Events, spool: Spool) -> None:
    events.publish(Nothing(), "serviceStarted")
    await until_kept(spool, 1)
    async with aclosing(events.listen(0)) as heard, asyncio.timeout(10):
        assert await anext(heard) is None  # messages from before this start are not in memory
        first = await anext(heard)
        following = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0)
        events.publish(Queue(sink="record", waiting=1), "queueResumed")
        second = await following
    assert [text_of(one)["type"] for one in (first, second)] == ["serviceStarted", "queueResumed"]


async def test_messages_are_streamed_only_while_somebody_listens_and_never_kept(events: Events, spool: Spool) -> None:
    assert not events.listening
    async with aclosing(events.listen(None)) as heard, asyncio.timeout(10):
        waiting = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0)
        events.pass_on(a_message("heard"))
        event = await waiting
    assert text_of(event)["data"] == {"content": "heard"}
    events.publish(Nothing(), "serviceStarted")
    assert await until_kept(spool, 1) == ["serviceStarted"]


async def test_a_listener_who_comes_back_soon_gets_the_messages_of_meanwhile(events: Events) -> None:
    async with aclosing(events.listen(None)) as heard, asyncio.timeout(10):
        waiting = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0)
        events.pass_on(a_message("one"))
        first = await waiting
    events.pass_on(a_message("two"))
    assert first is not None
    async with aclosing(events.listen(first.number)) as heard, asyncio.timeout(10):
        assert text_of(await anext(heard))["data"] == {"content": "two"}


async def test_a_listener_who_does_not_read_is_cut_off(events: Events, monkeypatch) -> None:
    monkeypatch.setattr(events_stream, "MAX_BEHIND", 3)
    async with aclosing(events.listen(None)) as heard, asyncio.timeout(10):
        waiting = asyncio.ensure_future(anext(heard))
        await asyncio.sleep(0)
        for _ in range(9):
            events.publish(Nothing(), "serviceStarted")
        await waiting
        assert len([event async for event in heard]) <= 3


async def test_a_journal_that_cannot_be_written_keeps_nobody_from_telling(events: Events, spool: Spool) -> None:
    await spool.close()
    events.publish(HealthData(status="ok", reasons=[]), "healthCheck")


async def test_old_events_are_forgotten(spool: Spool) -> None:
    told = Events(spool.journal, spool.outbox, frozenset())
    running = asyncio.create_task(told.run())
    for _ in range(10):
        told.publish(Nothing(), "serviceStarted")
    await until_kept(spool, 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    numbers = [it.id for it in await spool.journal.after(0)]
    assert await spool.journal.forget(before=0, keep=7) == 3
    assert await spool.journal.forget(before=numbers[-1], keep=100) == 6
    assert [it.id for it in await spool.journal.after(0)] == numbers[-1:]


PERSON = Address("5511987654321@s.whatsapp.net", None)
TEXT = Message(id="WA1", chat=PERSON, sender=PERSON, from_me=False, group=False, at_ms=1, push_name="Ana", text="oi")
SEND = Outcome(ref="m1", status=SendStatus.SENT, to=PERSON.jid)
READ = Receipt(ids=("WA1",), chat=PERSON, sender=PERSON, kind=Delivery.READ, at_ms=1)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("messageReceived", facts.received(LOJA, TEXT)),
        ("messageSent", facts.received(LOJA, TEXT)),
        ("messageSent", facts.ended(SEND)),
        ("messageStatus", facts.ended(SEND)),
        ("messageStatus", facts.delivered(READ)),
        ("connected", {"reason": "connected", "message": "x", "phone": None, "jid": None}),
    ],
)
def test_what_is_told_of_messages_is_what_the_registry_says(name: str, data: facts.Fact) -> None:
    kind = BY_NAME[name]
    msgspec.convert(data, kind.data)
    assert set(data) <= {field.encode_name for field in msgspec.structs.fields(kind.data)}
