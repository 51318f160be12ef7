from __future__ import annotations

import logging
import stat
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore

import pytest

from sessions.errors import DiskFull
from sessions.inbox import InboxError, InboxFull, InboxReader, InboxWriter, Row, files, inbox_name

MARK = 64 * 1024 * 1024


def all_of(reader: InboxReader):
    return reader.read_after(0, 100_000)


def test_a_row_comes_back_as_it_was(open_writer, open_reader):
    writer = open_writer("w")
    whole = Row("s1", "message", 17, 1_700_000_000_000_000, b"\x00words", b"\xff\x00raw", "no words yet")
    bare = Row("", "outcome", -1, 0)
    writer.append(whole)
    writer.append(bare)

    rows = all_of(open_reader(writer.path))

    assert [(row.seq, row.after) for row in rows] == [(1, None), (2, None)]
    assert [Row(r.session, r.kind, r.code, r.at_us, r.body, r.raw, r.error) for r in rows] == [whole, bare]


@pytest.fixture
def hasty_switches() -> Iterator[None]:
    """Threads take turns so often that they come to the lock in another order than to the queue."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_switches")
@pytest.mark.parametrize("batch", [1, 500])
def test_many_threads_lose_nothing_and_keep_their_own_order(open_writer, open_reader, said, monkeypatch, batch):
    monkeypatch.setattr("sessions.inbox.writer.BATCH", batch)
    writer = open_writer("w")
    threads, each = 12, 150

    def talk(session: str) -> None:
        for n in range(each):
            writer.append(said(session, n))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(talk, [f"s{k}" for k in range(threads)]))

    rows = all_of(open_reader(writer.path))
    heard = defaultdict(list)
    for row in rows:
        heard[row.session].append(row.at_us)
    assert [row.seq for row in rows] == list(range(1, threads * each + 1))
    assert dict(heard) == {f"s{k}": list(range(each)) for k in range(threads)}


@pytest.mark.parametrize("batch", [4, 500])
def test_a_row_that_cannot_be_stored_harms_no_other_of_its_batch(open_writer, open_reader, said, monkeypatch, batch):
    monkeypatch.setattr("sessions.inbox.writer.BATCH", batch)
    crowd = 60
    about_to = Semaphore(0)
    awaited = iter(range(crowd))

    def free_bytes(_) -> int:  # the first append holds the lock here until the others are as good as queued
        for _ in awaited:
            assert about_to.acquire(timeout=10)
        return 1 << 40

    writer = open_writer("w", free_bytes=free_bytes)

    def talk(n: int) -> bool:
        about_to.release()
        try:
            writer.append(said("", n) if n % 5 else Row("", "message", 2**70, n))
        except InboxError:
            return False
        return True

    with ThreadPoolExecutor(crowd) as pool:
        told = [pool.submit(talk, n) for n in range(1, crowd + 1)]
        stored = {n for n, answer in enumerate(told, 1) if answer.result(10)}

    assert stored == {n for n in range(1, crowd + 1) if n % 5}
    assert {row.at_us for row in all_of(open_reader(writer.path))} == stored


def test_an_error_text_may_hold_anything(open_writer, open_reader):
    writer = open_writer("w")
    writer.append(Row("s1", "raw", 3, 1, error="bad \ud800 text \x00"))

    assert [row.error for row in all_of(open_reader(writer.path))] == ["bad \\ud800 text \x00"]


def test_wake_finds_the_row_committed(open_writer, open_reader, said):
    seen: list[int] = []
    readers: list[InboxReader] = []
    writer = open_writer("w", wake=lambda: seen.append(readers[0].last_seq()))
    readers.append(open_reader(writer.path))

    for n in range(3):
        writer.append(said("s1", n))

    assert seen == [1, 2, 3]


def test_a_listener_that_fails_does_not_make_a_row_look_lost(open_writer, open_reader, said, caplog):
    def wake() -> None:
        raise ConnectionError("nobody listens")

    writer = open_writer("w", wake=wake)
    with caplog.at_level(logging.DEBUG):
        writer.append(said("s1", 1))
        writer.append(said("s1", 2))

    assert len(all_of(open_reader(writer.path))) == 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.DEBUG]


def test_low_water_is_told_once_for_each_crossing_and_refuses_nothing(open_writer, open_reader, said):
    free = MARK + 1
    calls: list[int] = []
    lows: list[bool] = []
    writer = open_writer("w", free_bytes=lambda _: free, on_low=lambda: calls.append(1))

    def append(count: int) -> None:
        for n in range(count):
            writer.append(said("s1", n))
        lows.append(writer.low)

    append(16)  # plenty
    free = MARK - 1
    append(16)  # crossed
    append(32)  # still low: not told again
    free = MARK + 1
    append(16)  # above, but not by enough to be over it
    free = MARK * 2
    append(16)
    free = 0
    append(16)  # crossed again

    assert lows == [False, True, True, True, False, True]
    assert len(calls) == 2
    assert len(all_of(open_reader(writer.path))) == 112


def test_low_water_is_seen_at_the_first_append(open_writer, said):
    calls: list[int] = []
    writer = open_writer("w", free_bytes=lambda _: 0, on_low=lambda: calls.append(1))
    writer.append(said("s1", 1))
    assert calls == [1]


@pytest.mark.parametrize("session", ["", "s1", "s2"])
def test_who_hears_of_low_water_may_still_write(open_writer, open_reader, said, session):
    writer = open_writer("w", free_bytes=lambda _: 0, on_low=lambda: writer.append(said(session, 2)))
    writer.append(said("s1", 1))
    assert [row.at_us for row in all_of(open_reader(writer.path))] == [1, 2]


@pytest.mark.parametrize("error", [OSError("no such file system"), ValueError("not a number")])
def test_the_free_space_may_be_unknown(open_writer, open_reader, said, error):
    """What is stored is never told as refused: it would be written twice."""

    def free_bytes(_) -> int:
        raise error

    writer = open_writer("w", free_bytes=free_bytes)
    writer.append(said("s1", 1))
    assert not writer.low
    assert open_reader(writer.path).last_seq() == 1


def test_a_full_database_refuses_keeps_what_it_took_and_goes_on_when_there_is_room(
    open_writer, open_reader, said, monkeypatch
):
    plain = files.open_for_writing

    def small(path, sync):
        db = plain(path, sync)
        db.execute("PRAGMA max_page_count = 12")
        return db

    monkeypatch.setattr(files, "open_for_writing", small)
    calls: list[int] = []
    writer = open_writer("w", on_low=lambda: calls.append(1))
    taken, refused = fill(writer)

    assert isinstance(refused, DiskFull)
    assert (writer.low, calls) == (True, [1])
    reader = open_reader(writer.path)
    assert [row.at_us for row in all_of(reader)] == list(range(taken))
    reader.delete_upto(taken)
    for n in range(16):
        writer.append(said("s1", n))
    assert not writer.low


def fill(writer: InboxWriter) -> tuple[int, InboxFull]:
    """Append until it is refused; answer how many rows were taken, and the refusal."""
    for n in range(10_000):
        try:
            writer.append(Row("s1", "message", 17, n, body=b"x" * 700))
        except InboxFull as refused:
            return n, refused
    pytest.fail("it took everything")


def test_seqs_are_never_used_twice(open_writer, open_reader, said):
    writer = open_writer("w")
    reader = open_reader(writer.path)
    for n in range(3):
        writer.append(said("s1", n))
    reader.delete_upto(3)
    assert (reader.empty, reader.last_seq()) == (True, 3)

    writer.append(said("s1", 3))

    assert [row.seq for row in all_of(reader)] == [4]


def test_every_start_needs_a_file_of_its_own(open_writer, said):
    writer = open_writer("w", "b1")
    with pytest.raises(InboxError, match="being written"):
        open_writer("w", "b1")
    writer.close()
    with pytest.raises(InboxError, match="exists already"):
        open_writer("w", "b1")
    open_writer("w", "b2").append(said("s1", 1))


def test_what_is_closed_takes_nothing(open_writer, said):
    writer = open_writer("w")
    writer.append(said("s1", 1))
    writer.close()
    writer.close()
    with pytest.raises(InboxError):
        writer.append(said("s1", 2))


def test_a_folder_that_is_not_there_is_a_sentence(spool, open_writer):
    spool.rmdir()
    with pytest.raises(InboxError, match="inbox-w-b1"):
        open_writer("w")


def test_a_start_that_fails_leaves_nothing_behind(open_writer, spool, monkeypatch):
    monkeypatch.setattr(files, "_SCHEMA", "CREATE TABLE row (")
    with pytest.raises(InboxError, match="inbox-w-b1"):
        open_writer("w")
    assert list(spool.iterdir()) == []


def test_an_unknown_way_to_sync_is_refused(open_writer):
    # SQLite itself would take it for "off".
    with pytest.raises(ValueError, match="sync"):
        open_writer("w", sync="fulll")


def test_the_power_cut_proof_way_works_too(open_writer, open_reader, said):
    writer = open_writer("w", sync="full")
    writer.append(said("s1", 1))
    assert open_reader(writer.path).last_seq() == 1


def test_nobody_else_may_read_the_files(open_writer, said, spool):
    open_writer("w").append(said("s1", 1))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in spool.iterdir()}
    assert set(modes) == {f"inbox-w-b1.db{suffix}" for suffix in ("", "-wal", "-shm", ".lock")}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("part", ["", "a/b", "..é", "a b", "a\n"])
def test_names_are_plain(part):
    with pytest.raises(ValueError, match="letters"):
        inbox_name(part, "b1")
    with pytest.raises(ValueError, match="letters"):
        inbox_name("w", part)


def test_the_name_says_worker_and_boot():
    assert inbox_name("pair-7", "0f3c") == "inbox-pair-7-0f3c.db"
