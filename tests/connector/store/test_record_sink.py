"""The record as a sink of the spool, and the board that tells senders what became of their message."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec
import pytest

from connector.facts import Fact
from connector.sinks.board import KEPT, Board
from connector.sinks.record import RecordSink
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Park, Poison, Wait
from connector.store.errors import Misconfigured, Offline, Rejected, StoreError
from connector.store.rows import Recorded
from connector.store.store import Store


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
