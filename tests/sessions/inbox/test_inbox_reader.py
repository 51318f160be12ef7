from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from sessions.inbox import InboxDamaged, InboxError, InboxReader, files


def test_reads_on_from_where_it_was(open_writer, open_reader, said):
    writer = open_writer("w")
    for n in range(5):
        writer.append(said("s1", n))
    reader = open_reader(writer.path)

    assert [row.seq for row in reader.read_after(0, 2)] == [1, 2]
    assert [row.seq for row in reader.read_after(2, 100)] == [3, 4, 5]
    assert reader.read_after(5, 100) == []


def test_deletes_up_to_and_with(open_writer, open_reader, said):
    writer = open_writer("w")
    for n in range(5):
        writer.append(said(f"s{n}", n))
    reader = open_reader(writer.path)
    reader.delete_upto(3)

    assert [row.seq for row in reader.read_after(0, 100)] == [4, 5]
    assert reader.sessions() == {"s3", "s4"}
    assert (reader.last_of("s4"), reader.last_of("s0")) == (5, 0)
    assert (reader.holds(0, 3), reader.holds(3, 4), reader.holds(5, 9)) == (False, True, False)
    assert (reader.empty, reader.last_seq()) == (False, 5)


def test_a_fresh_file_is_empty(open_writer, open_reader):
    reader = open_reader(open_writer("w", created_us=42).path)
    assert (reader.empty, reader.last_seq(), reader.sessions(), reader.created_us) == (True, 0, set(), 42)


def test_reading_leaves_no_cursor_open(open_writer, open_reader, said):
    # An open one would keep the log from ever being emptied.
    writer = open_writer("w")
    reader = open_reader(writer.path)
    for n in range(50):
        writer.append(said("s1", n))
        reader.read_after(0, 1)
        reader.sessions()
    with closing(sqlite3.connect(writer.path)) as db:
        busy, pages, moved = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, pages, moved) == (0, 0, 0)


def test_a_file_that_is_gone_is_not_made_anew(spool):
    with pytest.raises(InboxError):
        InboxReader(spool / "inbox-w-b1.db")
    assert list(spool.iterdir()) == []


def test_bytes_that_are_no_database(spool):
    path = spool / "inbox-w-b1.db"
    path.write_bytes(b"not a database, and long enough to be looked at as one" * 20)
    with pytest.raises(InboxDamaged, match=r"inbox-w-b1\.db is damaged"):
        InboxReader(path)


@pytest.mark.parametrize("sql", ["CREATE TABLE row (seq INTEGER)", ""])
def test_a_database_of_another_program(spool, sql):
    path = spool / "inbox-w-b1.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(sql)
    with pytest.raises(InboxDamaged, match="another program"):
        InboxReader(path)


def test_a_newer_format(open_writer):
    writer = open_writer("w")
    with closing(sqlite3.connect(writer.path)) as db:
        db.execute(f"PRAGMA user_version = {files.FORMAT + 1}")
    with pytest.raises(InboxDamaged, match="use the newer one"):
        InboxReader(writer.path)


def test_damage_in_the_middle_is_found_when_it_is_read(open_writer, open_reader, said):
    writer = open_writer("w")
    for n in range(500):
        writer.append(said("s1", n))
    writer.close()
    damage(writer.path)
    reader = open_reader(writer.path)
    with pytest.raises(InboxDamaged):
        reader.read_after(0, 1000)


def damage(path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
