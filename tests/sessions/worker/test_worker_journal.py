"""Disk first: whatever happens to an event, its row is written, in order, and the engine is told of no failure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.inbox import InboxError, InboxFull, InboxReader, InboxWriter, Row, inbox_name
from sessions.model import RAW, Address, Life, Outcome, SendStatus, Sign, Typing, Words, decode
from sessions.worker import journal as journal_module
from sessions.worker.journal import OUR_OWN, Journal

SOMEBODY = Address("5511999990000@s.whatsapp.net")
TYPING = Typing(chat=SOMEBODY, sender=SOMEBODY, composing=True)
LIFE = Life(Sign.CONNECTED)
OUTCOME = Outcome("r1", SendStatus.SENT, SOMEBODY.jid, "3EB0", 1)


@dataclass
class FakeInbox:
    """Keeps rows in memory; refuses as many appends as it is told to."""

    failures: list[Exception] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def append(self, row: Row) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.rows.append(row)


@dataclass
class Around:
    """A journal with everything around it written down."""

    inbox: FakeInbox = field(default_factory=FakeInbox)
    words: Words | Exception | None = TYPING
    notified: list[tuple[str, Words]] = field(default_factory=list)
    failed: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal = Journal(
            cast(InboxWriter, self.inbox), self._translate, self._notify, on_failure=self.failed.append
        )

    def _translate(self, _code: int, _raw: bytes) -> Words | None:
        if isinstance(self.words, Exception):
            raise self.words
        return self.words

    def _notify(self, session: str, life: Words) -> None:
        assert self.inbox.rows, "disk first"
        self.notified.append((session, life))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal_module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(journal_module, "LONGEST_PAUSE_S", 0.002)


def test_an_event_with_words_keeps_its_raw_bytes_too():
    around = Around()
    around.journal.event("s1", 19, b"raw")
    (row,) = around.inbox.rows
    assert (row.session, row.kind, row.code, row.raw, row.error) == ("s1", "typing", 19, b"raw", None)
    assert decode(row.kind, row.body or b"") == TYPING
    assert around.journal.rows == {"typing": 1}
    assert around.journal.untranslated == 0


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (None, "no words yet"),
        (KeyError("5511999990000"), "translation failed: KeyError"),
        (UnicodeDecodeError("utf-8", b"secret", 0, 1, "bad"), "translation failed: UnicodeDecodeError"),
        (RecursionError(), "translation failed: RecursionError"),
    ],
)
def test_an_event_without_words_stays_raw_marked_and_counted(words: Any, error: str):
    around = Around(words=words)
    around.journal.event("s1", 17, b"\x00raw")
    (row,) = around.inbox.rows
    assert (row.kind, row.code, row.body, row.raw, row.error) == (RAW, 17, None, b"\x00raw", error)
    assert around.journal.untranslated == 1
    assert around.notified == []


def test_words_that_cannot_be_written_down_are_as_good_as_none():
    around = Around(words=cast(Words, object()))
    around.journal.event("s1", 17, b"raw")
    assert [(row.kind, row.raw) for row in around.inbox.rows] == [(RAW, b"raw")]
    around.words = Life(Sign.BANNED, until_s=1 << 70)
    around.journal.event("s1", 8, b"ban")
    assert [(row.kind, row.raw) for row in around.inbox.rows][1:] == [(RAW, b"ban")]
    assert around.journal.untranslated == 2


def test_a_sign_of_life_is_told_after_it_was_written():
    around = Around(words=LIFE)
    around.journal.event("s1", 3, b"")
    assert around.notified == [("s1", LIFE)]
    assert around.inbox.rows[0].kind == "life"


def test_an_outcome_is_a_row_that_the_engine_did_not_cause():
    around = Around()
    around.journal.outcome("s1", OUTCOME)
    (row,) = around.inbox.rows
    assert (row.kind, row.code, row.raw) == ("outcome", OUR_OWN, None)
    assert decode(row.kind, row.body or b"") == OUTCOME


@given(
    failures=st.lists(st.sampled_from([InboxError, InboxFull, OSError, ValueError, MemoryError]), max_size=6),
    events=st.integers(1, 5),
)
def test_while_the_disk_refuses_it_tries_on_and_nothing_is_lost_or_out_of_order(failures: list[Any], events: int):
    around = Around(words=LIFE)
    around.inbox.failures = [kind() for kind in failures]
    for number in range(events):
        around.journal.event("s1", 3, bytes([number]))
    assert [row.raw for row in around.inbox.rows] == [bytes([number]) for number in range(events)]
    assert len(around.failed) == len(failures), "each refusal is told, so that the engine is disconnected in time"
    assert len(around.notified) == events


def test_whoever_is_told_may_fail_and_the_engine_hears_nothing_of_it():
    """A loop that is closed already, for instance: the process is about to end."""

    def fail(*_args: Any) -> None:
        raise RuntimeError("the loop is closed")

    inbox = FakeInbox(failures=[InboxFull()])
    journal = Journal(cast(InboxWriter, inbox), lambda *_: LIFE, fail, on_failure=fail)
    journal.event("s1", 3, b"raw")
    assert [row.raw for row in inbox.rows] == [b"raw"]


@pytest.mark.parametrize(("failure", "full"), [(InboxFull(), True), (InboxError(), False), (ValueError(), False)])
def test_only_a_full_disk_is_said_to_be_one(failure: Exception, full: bool):
    """Else the operator frees space on a disk that has it."""
    told: list[bool] = []
    inbox = FakeInbox(failures=[failure])
    journal = Journal(cast(InboxWriter, inbox), lambda *_: LIFE, lambda *_: None, on_failure=told.append)
    journal.event("s1", 3, b"raw")
    assert told == [full]


def test_the_time_of_a_row_is_when_it_happened_not_when_the_disk_had_room(monkeypatch: pytest.MonkeyPatch):
    times = iter(range(1_000_000, 9_000_000, 1_000_000))
    monkeypatch.setattr(journal_module.time, "time_ns", lambda: next(times))
    around = Around()
    around.inbox.failures = [InboxFull(), InboxFull()]
    around.journal.event("s1", 3, b"")
    assert around.inbox.rows[0].at_us == 1000


def test_many_engine_threads_at_once_lose_nothing_and_keep_their_own_order(tmp_path: Path):
    path = tmp_path / inbox_name("w1", "b1")
    writer = InboxWriter(path, wake=lambda: None, low_water_bytes=0)
    together = threading.Barrier(6)
    journal = Journal(writer, lambda *_: TYPING, lambda *_: None, on_failure=lambda _full: None)

    def live(session: str) -> None:
        together.wait(10)
        for number in range(60):
            journal.event(session, 19, number.to_bytes(2, "big"))

    sessions = [f"s{number}" for number in range(6)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(live, sessions))
    writer.close()
    reader = InboxReader(path)
    rows = reader.read_after(0, 1000)
    reader.close()
    assert journal.rows == {"typing": 360}
    for session in sessions:
        mine = [int.from_bytes(row.raw or b"", "big") for row in rows if row.session == session]
        assert mine == list(range(60))
