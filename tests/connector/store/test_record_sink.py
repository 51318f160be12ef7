"""The record as a sink of the spool, and the board that tells senders what became of their message."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from connector.facts import Fact
from connector.sinks.board import KEPT, Board
from connector.sinks.brake import REFUSALS_IN_A_ROW
from connector.sinks.record import RecordSink
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Park, Poison, Wait
from connector.store.errors import Barred, Misconfigured, Offline, Rejected, StoreError
from connector.store.rows import Recorded
from connector.store.store import SCHEMA, Store


def rows(*facts: Fact) -> list[StoredOut]:
    return [
        StoredOut(sink="record", chain="c", op=fact["op"], body=msgspec.json.encode(fact), seq=seq, at_us=0)
        for seq, fact in enumerate(facts, 1)
    ]


async def test_what_is_delivered_is_told(teller) -> None:
    board = Board()
    send = str(uuid.uuid4())
    waiting = asyncio.create_task(board.wait(send, 10), name="waiter")
    verdict = await RecordSink(teller.store, board).deliver(rows(teller.sending(send), teller.receipt("read", "A")))
    assert verdict == Delivered()
    row = await teller.store.message(send)
    assert row
    assert await waiting == await board.wait(send, 0) == row.atendimento_id


class Refusing:
    def __init__(self, error: StoreError) -> None:
        self._error = error

    async def call(self, function: str, **arguments) -> list[Any]:
        raise self._error

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(("error", "verdict"), [(Offline, Wait), (Misconfigured, Park), (Rejected, Poison)])
async def test_what_is_refused_is_answered_with_its_reason(teller, error: type[StoreError], verdict: type) -> None:
    sink = RecordSink(Store(Refusing(error("the reason"))), Board())
    assert await sink.deliver(rows(teller.came("A"))) == verdict("The reason.")


async def test_a_database_that_is_being_made_ready_is_not_asked(teller) -> None:
    why: str | None = "It starts."
    sink = RecordSink(teller.store, Board(), away=lambda: why)
    assert await sink.deliver(rows(teller.came("A"))) == Wait("It starts.", usual=True)
    why = None
    assert await sink.deliver(rows(teller.came("A"))) == Delivered()


async def test_a_bad_row_is_poison_and_the_good_one_goes_in_alone(teller) -> None:
    sink = RecordSink(teller.store, Board())
    good, bad = rows(teller.came("A"), {**teller.came("B"), "message": {}})
    assert isinstance(await sink.deliver([good, bad]), Poison)
    assert isinstance(await sink.deliver([bad]), Poison)
    assert await sink.deliver([good]) == Delivered()


async def test_nobody_waits_longer_than_asked_and_nothing_is_kept_of_them() -> None:
    board = Board()
    assert await board.wait("a", 0.01) is None
    assert board._waiting == {}
    for n in range(KEPT + 5):
        board.post(Recorded(op=str(n), message_id=str(n), atendimento_id="x"))
    board.post(Recorded(op="receipt", message_id=None, atendimento_id=None))
    assert len(board._latest) == KEPT
    assert await board.wait(str(KEPT), 0) == "x"


class Picky:
    """A database that refuses some facts for good. What it takes it does not keep; `asks`: which functions were called."""

    def __init__(self, refuses: Callable[[Fact], StoreError | None], schema: StoreError | None = None) -> None:
        self.refuses = refuses
        self.schema = schema
        self.asks: list[str] = []

    async def call(self, function: str, **arguments: Any) -> list[Any]:
        self.asks.append(function)
        if function == "vigia_schema":
            if self.schema:
                raise self.schema
            return [{"number": SCHEMA, "newest_version": 0}]
        facts = [msgspec.json.decode(text) for text in arguments["facts"]]
        if error := next((found for one in facts if (found := self.refuses(one))), None):
            raise error
        return [{"op": one["op"], "message_id": None, "atendimento_id": None} for one in facts]

    async def close(self) -> None: ...


OWN_TRIGGER = Rejected("the database refused it: RaiseError (P0001)", "P0001")


async def _alone(sink: RecordSink, facts: list[Fact]) -> list[type]:
    """Offer each fact alone, as the drainer does once a batch was refused."""
    return [type(await sink.deliver([row])) for row in rows(*facts)]


async def test_a_database_that_refuses_every_message_is_parked_and_buries_no_more(teller) -> None:
    """Somebody's own trigger: after some it is not the rows. Receipts, which it takes, do not make it look well."""
    picky = Picky(lambda fact: OWN_TRIGGER if fact["kind"] == "message" else None)
    sink = RecordSink(Store(picky), Board())
    messages = [teller.came(str(number)) for number in range(REFUSALS_IN_A_ROW + 3)]
    found: list[type] = []
    for message in messages:
        found += await _alone(sink, [message, teller.receipt("read", "A")])
    assert found[::2] == [Poison] * REFUSALS_IN_A_ROW + [Park] * 3
    assert set(found[1::2]) == {Delivered}
    (last,) = rows(messages[-1])
    parked = await sink.deliver([last])
    assert isinstance(parked, Park)
    assert "triggers, constraints or columns" in parked.reason
    picky.refuses = lambda _fact: None
    assert await sink.deliver([last]) == Delivered()
    picky.refuses = lambda _fact: OWN_TRIGGER
    assert isinstance(await sink.deliver([last]), Poison), "it counts from the beginning again"


@pytest.mark.parametrize("code", ["23503", "23505"])
async def test_what_another_change_of_that_moment_caused_is_told_again_first(teller, code: str) -> None:
    """Three times; then it is no matter of the moment."""
    sink = RecordSink(Store(Picky(lambda _fact: Rejected("the database refused it", code))), Board())
    one, other = rows(teller.came("A"), teller.came("B"))
    assert isinstance(await sink.deliver([one, other]), Poison), "a batch is searched at once"
    found = [type(await sink.deliver([row])) for row in (one, other) * 3]
    assert found == [Wait, Wait, Wait, Wait, Poison, Poison]


async def test_what_a_firewall_takes_for_an_attack_is_one_row_and_not_the_whole_queue(teller) -> None:
    barred = Barred("somebody on the way refuses what is sent")
    picky = Picky(lambda fact: barred if "union select" in str(fact) else None)
    sink = RecordSink(Store(picky), Board())
    good, bad = rows(teller.came("A"), {**teller.came("B"), "note": "union select"})
    assert isinstance(await sink.deliver([good, bad]), Poison)
    assert await sink.deliver([good]) == Delivered()
    assert isinstance(await sink.deliver([bad]), Poison)
    picky.schema = barred
    assert isinstance(await sink.deliver([good, bad]), Park), "nobody gets through: it is not about what they hold"
