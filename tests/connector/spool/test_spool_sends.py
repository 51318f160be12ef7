"""A send begins once a key and ends once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.spool import Begun, Conflict, Ended, NewSend, OutRow, Replay, SendState
from connector.spool.outbox import Move
from sessions.model import SendStatus

NEW = NewSend("m1", "loja-1", "uuid-1", "loja-1", "key-1", "hash-1")


def row(op: str) -> OutRow:
    return OutRow("record", "uuid-1", op, b"{}")


async def ops(spool) -> list[str]:
    return [it.op for it in await spool.outbox.read("record", 100)]


async def test_the_same_key_replays_and_another_request_under_it_is_a_conflict(spool):
    begun = await spool.sends.begin(NEW, [row("send:m1")])
    assert isinstance(begun, Begun)
    assert begun.send.status is SendState.SENDING
    again = await spool.sends.begin(replace(NEW, message_id="m2"), [row("send:m2")])
    assert again == Replay(begun.send)
    other = await spool.sends.begin(replace(NEW, message_id="m3", request_hash="other"), [row("send:m3")])
    assert other == Conflict(begun.send)
    assert isinstance(await spool.sends.begin(replace(NEW, message_id="m4", scope="loja-2"), []), Begun)
    assert isinstance(await spool.sends.begin(replace(NEW, message_id="m5", key=None), []), Begun)
    assert isinstance(await spool.sends.begin(replace(NEW, message_id="m6", key=None), []), Begun)
    assert await ops(spool) == ["send:m1"]
    assert spool.tally.waiting("record") == 1


async def test_of_many_at_once_under_one_key_one_begins(spool):
    asked = [spool.sends.begin(replace(NEW, message_id=f"m{n}"), [row(f"send:m{n}")]) for n in range(40)]
    answers = await asyncio.gather(*asked)
    (begun,) = [it for it in answers if isinstance(it, Begun)]
    assert sum(isinstance(it, Replay) for it in answers) == 39
    assert {it.send.message_id for it in answers} == {begun.send.message_id}
    assert await ops(spool) == [f"send:{begun.send.message_id}"]


async def test_the_answer_is_told_again_after_a_restart(house, spool):
    await spool.sends.begin(NEW, [])
    assert await spool.sends.finish(Ended("m1", SendStatus.SENT, 7, "WA1"), [row("done:m1")])
    await spool.sends.told("m1", b"answer", "atendimento")
    await spool.sends.told("m1", b"answer")
    await spool.close()
    again = await house.spool()
    replay = await again.sends.begin(replace(NEW, message_id="m2"), [])
    assert isinstance(replay, Replay)
    send = replay.send
    assert (send.message_id, send.answer, send.atendimento_id, send.wa_message_id) == (
        "m1",
        b"answer",
        "atendimento",
        "WA1",
    )
    assert (send.status, send.ended_us) == (SendState.SENT, 7)
    assert await again.sends.get("m1") == send
    assert await again.sends.get("m9") is None


@settings(deadline=None, max_examples=30)  # each example has a file of its own
@given(st.lists(st.sampled_from(list(SendStatus)), max_size=5))
def test_unknown_may_still_turn_out_either_way_and_nothing_else_changes(endings):
    expected = SendState.SENDING
    news: list[bool] = []
    for ending in endings:
        news.append(
            expected is SendState.SENDING or (expected is SendState.UNKNOWN and ending is not SendStatus.UNKNOWN)
        )
        expected = SendState(ending) if news[-1] else expected
    asyncio.run(_ends(endings, expected, news))


async def _ends(endings, expected, news):
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from connector.spool import Spool

    with TemporaryDirectory() as folder:
        spool = await Spool.opened(Path(folder))
        await spool.sends.begin(NEW, [])
        for n, ending in enumerate(endings):
            assert await spool.sends.finish(Ended("m1", ending, n), [row(f"{n}")]) is news[n]
        send = await spool.sends.get("m1")
        assert send is not None
        assert send.status is expected
        assert await ops(spool) == [f"{n}" for n, it in enumerate(news) if it]
        await spool.close()


async def test_a_message_id_is_used_once(spool):
    await spool.sends.begin(NEW, [])
    with pytest.raises(Exception, match="UNIQUE"):
        await spool.sends.begin(replace(NEW, key=None), [row("send:m1")])
    assert await ops(spool) == []


async def test_what_an_earlier_run_left_open_is_found_and_a_late_outcome_still_lands(house, spool):
    await spool.sends.begin(NEW, [])
    await spool.sends.begin(replace(NEW, message_id="m2", key=None), [])
    await spool.sends.finish(Ended("m2", SendStatus.SENT, 1))
    house.wall.us += 1
    await spool.sends.begin(replace(NEW, message_id="m3", key=None), [])
    assert [it.message_id for it in await spool.sends.open_sends(before_us=house.wall.us)] == ["m1"]
    await spool.sends.finish(Ended("m1", SendStatus.UNKNOWN, 2))
    assert await spool.sends.open_sends(before_us=house.wall.us) == []
    await spool.outbox.move(
        Move(rows=[], cursors={}, ended=[Ended("m1", SendStatus.SENT, 3, "WA1"), Ended("m9", SendStatus.SENT, 3)])
    )
    send = await spool.sends.get("m1")
    assert (send.status, send.wa_message_id) == (SendState.SENT, "WA1")


async def test_old_sends_are_forgotten_with_their_keys_but_never_an_open_one(house, spool):
    await spool.sends.begin(NEW, [])
    await spool.sends.begin(replace(NEW, message_id="m2", key="key-2"), [])
    await spool.sends.finish(Ended("m2", SendStatus.SENT, 1))
    house.wall.us += 1
    assert await spool.sends.forget(before_us=house.wall.us) == 1
    assert await spool.sends.get("m2") is None
    assert await spool.sends.get("m1") is not None
    assert isinstance(await spool.sends.begin(replace(NEW, message_id="m4", key="key-2"), []), Begun)


async def test_where_a_send_was_recorded_is_learned_late_and_only_once(house, spool):
    await spool.sends.begin(NEW, [])
    await spool.sends.recorded({"m1": "atendimento-1", "not one of ours": "atendimento-9"})
    await spool.sends.recorded({"m1": "atendimento-2"})
    send = await spool.sends.get("m1")
    assert send.atendimento_id == "atendimento-1"
