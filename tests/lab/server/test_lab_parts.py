"""The lab's small parts: orders that end, records that last, bells, screens, contents."""

import asyncio

import pytest

from lab import content, tls
from lab.bell import Bell
from lab.faults import AckFault, Faults, LoginFault
from lab.jid import Jid
from lab.journal import Journal
from lab.phonelog import PhoneLog

DEVICE = Jid("5511987650001", "s.whatsapp.net", 1)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_an_order_ends_by_count():
    faults = Faults(Clock())
    faults.refuse(faults.order(2, None))
    assert [faults.refusing() for _ in range(3)] == [True, True, False]


def test_an_order_ends_by_the_clock():
    clock = Clock()
    faults = Faults(clock)
    faults.fail_logins(LoginFault(None, clock() + 5, reason="402"))
    assert faults.failing_login() is not None
    clock.now += 5
    assert faults.failing_login() is None


def test_an_order_for_one_device_is_not_for_another():
    faults = Faults(Clock())
    faults.of(DEVICE).ack = AckFault(left=1, error="479")
    assert faults.acking(Jid("5511987650002", "s.whatsapp.net", 1)) is None
    fault = faults.acking(DEVICE)
    assert fault is not None
    assert fault.error == "479"
    assert faults.acking(DEVICE) is None


def test_clearing_ends_orders():
    faults = Faults(Clock())
    faults.refuse(faults.order(None, None))
    faults.of(DEVICE).mute = faults.order(None, None)
    faults.clear()
    assert not faults.refusing()
    assert faults.muting(DEVICE)
    faults.clear_device(DEVICE)
    assert not faults.muting(DEVICE)


def test_a_journal_keeps_the_last_word(tmp_path):
    journal = Journal(tmp_path / "lab.db")
    for word in (b"1", b"2"):
        journal.put("kind", "owner", 0, lambda word=word: word)
    journal.put("kind", "owner", 1, lambda: b"gone")
    journal.flush()
    journal.drop("kind", "owner", 1)
    journal.put("kind", "other", 5, lambda: b"5")
    journal.close()
    again = Journal(tmp_path / "lab.db")
    assert list(again.load("kind")) == [("other", 5, b"5"), ("owner", 0, b"2")]
    assert list(again.load("none")) == []
    again.close()


def test_a_journal_without_a_file_keeps_nothing():
    journal = Journal(None)
    journal.put("kind", "owner", 0, lambda: b"1")
    journal.flush()
    assert list(journal.load("kind")) == []
    journal.close()


async def test_a_bell_wakes_whoever_waits_for_a_fact():
    bell, facts = Bell(), []
    waiter = asyncio.create_task(bell.until(lambda: len(facts) == 2, 5))
    for fact in range(2):
        await asyncio.sleep(0)
        facts.append(fact)
        bell.ring()
    assert await waiter


async def test_a_bell_gives_up_in_time():
    assert not await Bell().until(lambda: False, 0.01)


@pytest.fixture
def log():
    journal = Journal(None)
    yield PhoneLog(number="5511987650001", journal=journal, bell=Bell(), clock=Clock())
    journal.close()


def _arrive(log, text, *, from_me=False):
    log.add(id=f"id-{text}", sender="2", chat="2", device="2@lid", text=text, kind="text", from_me=from_me)


def test_a_screen_is_read_from_an_index_on(log):
    for text in "abcd":
        _arrive(log, text, from_me=text == "b")
    assert [item.text for item in log.since(0, 10, lambda item: not item.from_me)] == ["a", "c", "d"]
    assert [item.text for item in log.since(2, 1, lambda _: True)] == ["c"]
    assert log.since(9, 10, lambda _: True) == []
    assert log.next == 4


def test_events_are_numbered_apart(log):
    log.note("typing", state="composing")
    _arrive(log, "a")
    log.note("receipt", ids=["x"])
    assert [(one["index"], one["kind"]) for one in log.events_since(0)] == [(0, "typing"), (1, "receipt")]
    assert [one["ids"] for one in log.events_since(1)] == [["x"]]


def test_what_a_phone_writes_it_can_read():
    plain = content.text("olá ✓")
    assert content.read(plain) == content.Content("text", "olá ✓")
    copy = content.read(content.sent(Jid("1", "lid"), plain))
    assert (copy.text, copy.sent_to) == ("olá ✓", "1@lid")


@pytest.mark.parametrize("rubbish", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"])
def test_rubbish_is_no_content(rubbish):
    with pytest.raises(content.ContentError):
        content.read(rubbish)


def test_files_are_made_once_and_the_key_is_private(tmp_path):
    files = tls.ensure(tmp_path)
    before = files.ca.read_bytes()
    assert tls.ensure(tmp_path).ca.read_bytes() == before
    assert files.chain.stat().st_mode & 0o077 == 0
