"""From the inboxes to the outbox: once, in order, whatever fails."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter

from connector.spool import INBOUND, Ended, NewSend, OutRow, Send, SendState, SpoolFull
from connector.spool.dead import Which
from connector.spool.outbox import Move
from sessions.inbox import InboxReader, inbox_name
from sessions.model import SendStatus

RECORD = "record"


async def ops(spool, sink: str = RECORD) -> list[str]:
    return [row.op for row in await spool.outbox.read(sink, 1_000)]


def left_in(house, worker: str = "w1", boot: str = "b1") -> int:
    reader = InboxReader(house.folder / inbox_name(worker, boot))
    try:
        return len(reader.read_after(0, 1_000))
    finally:
        reader.close()


async def test_rows_move_in_order_to_every_sink_with_rising_versions(house, spool, said, into):
    inbox = house.inbox()
    for n in range(450):
        inbox.append(said(f"s{n % 3}", n))
    mover = await house.mover(spool, into(RECORD, "webhook"))
    await mover.drained()
    name = inbox_name("w1", "b1")
    assert await ops(spool) == await ops(spool, "webhook") == [f"{name}:{n}" for n in range(1, 451)]
    versions = [int(row.body) for sink in (RECORD, "webhook") for row in await spool.outbox.read(sink, 1_000)]
    assert len(set(versions)) == 900
    assert mover.moved == 450
    assert mover.troubles == {}
    inbox.append(said("s1", 451))
    await mover.drained()
    assert len(await ops(spool)) == 451
    await mover.stop()
    assert left_in(house) == 0


async def test_a_bell_is_answered_and_a_missed_one_is_swept_up(house, spool, said, until):
    inbox = house.inbox()
    await house.mover(spool)
    inbox.append(said("s1", 1))
    house.rung.set()
    await until(lambda: spool.tally.waiting(RECORD) == 1)
    inbox.append(said("s1", 2))
    await until(lambda: spool.tally.waiting(RECORD) == 2)


async def test_a_batch_is_shared_over_the_inboxes(house, spool, said):
    for worker, count in (("w1", 300), ("w2", 2)):
        inbox = house.inbox(worker)
        for n in range(count):
            inbox.append(said(worker, n))
    mover = await house.mover(spool, batch=100)
    await mover.drained()
    first = [op.rpartition(":")[0] for op in (await ops(spool))[:100]]
    assert Counter(first) == {inbox_name("w1", "b1"): 98, inbox_name("w2", "b1"): 2}


async def test_trap_1_a_row_delivered_before_the_crash_is_not_made_again(house, spool, said, into):
    """Moved and delivered, but killed before it was deleted from its inbox: the cursor knows."""
    inbox = house.inbox()
    for n in range(10):
        inbox.append(said("s1", n))
    before = house.folder.parent / "before"
    mover = await house.mover(spool)
    await mover.drained()
    await mover.stop()
    await spool.outbox.delete(await spool.outbox.read(RECORD, 100))
    inbox.close()
    shutil.copytree(house.folder, before)
    await spool.close()

    house.folder = before
    path = before / inbox_name("w1", "b1")
    path.unlink()
    refill = house.inbox()  # the deletes never happened: the same ten rows are there
    for n in range(10):
        refill.append(said("s1", n))
    spool = await house.spool()
    mover = await house.mover(spool)
    await mover.drained()
    assert await ops(spool) == []
    refill.append(said("s1", 11))
    await mover.drained()
    assert await ops(spool) == [f"{path.name}:11"]


async def test_trap_2_what_was_moved_before_a_crash_is_deleted_at_the_start(house, spool, said):
    inbox = house.inbox()
    for n in range(10):
        inbox.append(said("s1", n))
    await spool.outbox.move(Move(rows=[], cursors={inbox_name("w1", "b1"): 10}))
    mover = await house.mover(spool)
    await mover.drained()
    await mover.stop()
    assert left_in(house) == 0
    assert await ops(spool) == []


async def test_trap_3_a_new_start_of_a_worker_begins_at_1_and_is_read_all_the_same(house, spool, said, until):
    old = house.inbox("w1", "b1")
    for n in range(10):
        old.append(said("s1", n))
    mover = await house.mover(spool)
    await mover.drained()
    old.close()
    new = house.inbox("w1", "b2")
    new.append(said("s1", 11))
    await mover.drained()
    assert (await ops(spool))[-1] == f"{inbox_name('w1', 'b2')}:1"
    path = house.folder / inbox_name("w1", "b1")
    await until(lambda: not path.exists())
    async with asyncio.timeout(20):
        while inbox_name("w1", "b1") in await spool.outbox.cursors():  # the name never comes back
            await mover.drained()
    assert inbox_name("w1", "b2") in await spool.outbox.cursors()


async def test_a_row_that_cannot_be_processed_holds_nobody_up_and_can_be_tried_again(house, spool, said, into):
    broken = True

    def process(file, row, next_version):
        if broken and row.at_us % 3 == 0:
            raise LookupError("the secret text")
        return into(RECORD)(file, row, next_version)

    inbox = house.inbox()
    for n in range(9):
        inbox.append(said("s1", n))
    mover = await house.mover(spool, process)
    await mover.drained()
    name = inbox_name("w1", "b1")
    assert await ops(spool) == [f"{name}:{seq}" for seq in (2, 3, 5, 6, 8, 9)]
    letters = await spool.dead.list(Which(sink=INBOUND))
    assert [(it.op, it.chain) for it in letters] == [(f"{name}:{seq}", "s1") for seq in (1, 4, 7)]
    assert {it.reason for it in letters} == {"It cannot be processed: LookupError."}
    assert (spool.tally.dead(INBOUND), mover.moved) == (3, 9)

    broken = False
    assert await mover.replay(letters[1])
    assert not await mover.replay(letters[1])
    assert (await ops(spool))[-1] == f"{name}:4"
    assert spool.tally.dead(INBOUND) == 2


async def test_a_row_that_cannot_be_stored_goes_to_the_dead_letters_alone(house, spool, said):
    def process(file, row, next_version):
        chain = "\ud800" if row.at_us == 2 else row.session  # half a character: the file takes none
        return [OutRow(RECORD, chain, f"{file}:{row.seq}", b"")]

    inbox = house.inbox()
    for n in range(5):
        inbox.append(said("s1", n))
    mover = await house.mover(spool, process)
    await mover.drained()
    name = inbox_name("w1", "b1")
    assert await ops(spool) == [f"{name}:{seq}" for seq in (1, 2, 4, 5)]
    assert [it.op for it in await spool.dead.list()] == [f"{name}:3"]
    assert mover.troubles == {}


async def test_the_end_of_a_send_is_stored_with_its_rows(house, spool, said):
    await spool.sends.begin(NewSend("m1", "loja-1", "s1", "loja-1", None, ""), [])

    def process(file, row, next_version):
        return [Ended("m1", SendStatus.SENT, row.at_us, "WA1"), OutRow(RECORD, "s1", f"{file}:{row.seq}", b"")]

    house.inbox().append(said("s1", 5))
    mover = await house.mover(spool, process)
    await mover.drained()
    send = await spool.sends.get("m1")
    assert isinstance(send, Send)
    assert (send.status, send.wa_message_id, send.ended_us) == (SendState.SENT, "WA1", 5)
    assert len(await ops(spool)) == 1


async def test_while_the_outbox_takes_nothing_rows_stay_where_they_are_and_are_processed_once(
    house, spool, said, into, until, monkeypatch
):
    asked: list[int] = []
    refuse = True
    store = spool.outbox.move

    async def move(it):
        if refuse:
            raise SpoolFull("The disk is full.")
        await store(it)

    def process(file, row, next_version):
        asked.append(row.seq)
        return into(RECORD)(file, row, next_version)

    monkeypatch.setattr(type(spool.outbox), "move", lambda _, it: move(it))
    monkeypatch.setattr("connector.spool.mover.AGAIN_S", 0.01)
    inbox = house.inbox()
    for n in range(3):
        inbox.append(said("s1", n))
    mover = await house.mover(spool, process)
    await until(lambda: bool(mover.troubles))
    assert mover.troubles == {"outbox": "The disk is full."}
    assert left_in(house) == 3
    refuse = False
    await mover.drained()
    assert (mover.troubles, asked, len(await ops(spool))) == ({}, [1, 2, 3], 3)


async def test_a_damaged_inbox_is_told_and_stops_nobody_else(house, spool, said):
    (house.folder / inbox_name("w0", "b0")).write_bytes(b"no inbox" * 1_000)
    house.inbox().append(said("s1", 1))
    mover = await house.mover(spool)
    await mover.drained()
    assert len(await ops(spool)) == 1
    assert list(mover.troubles) == [inbox_name("w0", "b0")]


async def test_the_gate_is_shut_only_on_a_nearly_full_disk_and_opens_as_the_slowest_sink_takes(
    house, spool, said, into, receiver, until
):
    free = 1 << 40
    house.disk = house.disk_with(free=0, free_bytes=lambda _: free, gate_rows=20, high_water_bytes=1_000)
    inbox = house.inbox()
    for n in range(100):
        inbox.append(said("s1", n))
    mover = await house.mover(spool, into("quick", "slow"), batch=10)
    await mover.drained()
    assert spool.tally.deepest() == 100  # with room on the disk nobody waits
    free = 999
    for n in range(100):
        inbox.append(said("s1", n))
    quick = receiver("quick")
    house.drain(spool, quick)
    house.rung.set()
    await until(lambda: mover.shut and len(quick.took) == 100)
    assert spool.tally.waiting("slow") == 100
    house.drain(spool, receiver("slow"))
    await mover.drained()
    assert mover.moved == 200
    assert not mover.shut
