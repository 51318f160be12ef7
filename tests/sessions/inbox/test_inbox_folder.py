from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from sessions.inbox import InboxDamaged, InboxError, InboxFolder


def told(rows):
    return [(name.removeprefix("inbox-").removesuffix("-b1.db"), row.session, row.at_us) for name, row in rows]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    folder = InboxFolder(tmp_path / "later")
    assert (folder.names(), folder.pending({}, 10), folder.retire("inbox-w-b1.db")) == ([], [], True)


def test_files_come_by_the_time_they_were_made(open_writer, folder):
    for worker, created_us in (("b", 2), ("c", 1), ("a", 3)):
        open_writer(worker, created_us=created_us)
    assert folder.names() == ["inbox-c-b1.db", "inbox-b-b1.db", "inbox-a-b1.db"]


def test_a_batch_is_shared_fairly_and_nothing_of_it_is_wasted(open_writer, folder, said):
    for worker, count in (("a", 100), ("b", 2), ("c", 100)):
        writer = open_writer(worker)
        for n in range(count):
            writer.append(said(worker, n))

    batch = folder.pending({}, 30)

    assert Counter(name for name, _, _ in told(batch)) == {"a": 14, "b": 2, "c": 14}
    assert [n for name, _, n in told(batch) if name == "a"] == list(range(14))


def test_a_batch_smaller_than_the_number_of_files_leaves_none_behind(open_writer, folder, said):
    for worker in "abc":
        open_writer(worker).append(said(worker, 0))
    assert {told(folder.pending({}, 1))[0][0] for _ in range(3)} == {"a", "b", "c"}


def test_cursors_say_what_was_read_though_it_is_still_there(open_writer, folder, said):
    writer = open_writer("a")
    for n in range(4):
        writer.append(said("s1", n))
    assert told(folder.pending({writer.path.name: 3}, 10)) == [("a", "s1", 3)]
    assert told(folder.pending({"inbox-gone-b1.db": 3}, 10)) == [("a", "s1", n) for n in range(4)]


def test_a_session_that_moved_is_read_in_order_whatever_the_age_of_the_files(open_writer, folder, said):
    old, young = open_writer("old", created_us=1), open_writer("young", created_us=2)
    young.append(said("s1", 0))
    young.release("s1")
    old.append(said("s1", 1))
    old.release("s1")
    young.append(said("s1", 2))

    assert told(folder.pending({}, 10)) == [("young", "s1", 0), ("old", "s1", 1), ("young", "s1", 2)]


def test_who_waits_does_so_until_the_other_file_is_read(open_writer, folder, said):
    first, second = open_writer("first"), open_writer("second")
    for n in range(3):
        first.append(said("s1", n))
    second.append(said("other", 0))
    second.append(said("s1", 3))
    second.append(said("other", 1))
    [(_, waiting)] = [pair for pair in folder.pending({}, 10) if pair[1].at_us == 3]
    assert waiting.after == {first.path.name: 3}

    names = {"first": first.path.name, "second": second.path.name}
    assert told(folder.pending({names["first"]: 2, names["second"]: 1}, 1)) == [("first", "s1", 2)]
    # Read, whether the rows are deleted (the cursor need not be known) or only passed by the cursor.
    assert told(folder.pending({names["first"]: 3}, 10)) == [
        ("second", s, n) for s, n in [("other", 0), ("s1", 3), ("other", 1)]
    ]
    folder.reader(names["first"]).delete_upto(3)
    assert len(folder.pending({}, 10)) == 3


def test_only_sessions_that_were_elsewhere_wait(open_writer, folder, said):
    first, second = open_writer("first"), open_writer("second")
    first.append(said("s1", 0))
    first.append(said("", 0))
    for session in ("s2", "", "s2"):
        second.append(said(session, 0))
    assert [row.after for _, row in folder.pending({}, 10)] == [None] * 5


def test_the_row_that_waits_comes_before_all_others_of_its_session(open_writer, open_reader, said):
    first, second = open_writer("first"), open_writer("second")
    first.append(said("s1", 0))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: second.append(said("s1", n)), range(1, 65)))
    afters = [row.after for row in open_reader(second.path).read_after(0, 100)]
    assert afters == [{first.path.name: 1}, *[None] * 63]


def test_without_release_a_session_is_taken_as_never_gone(open_writer, folder, said):
    first, second = open_writer("first"), open_writer("second")
    first.append(said("s1", 0))
    second.append(said("s1", 1))
    first.append(said("s1", 2))
    assert {row.at_us: row.after for _, row in folder.pending({}, 10)} == {0: None, 1: {first.path.name: 1}, 2: None}


def test_a_damaged_file_stops_nobody(open_writer, folder, said, spool, caplog):
    broken, sound = open_writer("broken"), open_writer("sound")
    for n in range(300):
        broken.append(said("s1", n))
    broken.close()
    sound.append(said("s1", 300))
    whole = broken.path.read_bytes()
    broken.path.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    (spool / "inbox-foreign-b1.db").write_bytes(b"something else" * 100)

    with caplog.at_level(logging.WARNING):
        batch = [row for _ in range(3) for row in told(folder.pending({}, 1000))]

    assert ("sound", "s1", 300) in batch
    assert {type(error) for error in folder.troubles.values()} == {InboxDamaged}
    assert set(folder.troubles) == {"inbox-broken-b1.db", "inbox-foreign-b1.db"}
    assert len(caplog.records) == 2  # once each, not at every look
    with pytest.raises(InboxDamaged):
        folder.reader("inbox-broken-b1.db")
    with pytest.raises(InboxDamaged):
        folder.retire("inbox-foreign-b1.db")
    assert (spool / "inbox-foreign-b1.db").exists()

    (spool / "inbox-foreign-b1.db").unlink()
    folder.names()
    assert set(folder.troubles) == {"inbox-broken-b1.db"}


def test_trouble_that_passes_holds_back_only_who_waits_for_it(open_writer, folder, said, spool):
    first, second, third = (open_writer(name) for name in ("first", "second", "third"))
    first.append(said("s1", 0))
    second.append(said("s1", 1))
    third.append(said("s3", 0))
    first.close()
    first.path.rename(spool / "elsewhere")
    first.path.mkdir()  # SQLite cannot open it: what a lack of descriptors looks like

    assert told(folder.pending({}, 10)) == [("third", "s3", 0)]
    assert not isinstance(folder.troubles[first.path.name], InboxDamaged)

    first.path.rmdir()
    (spool / "elsewhere").rename(first.path)
    batch = told(folder.pending({third.path.name: 1}, 10))
    assert batch == [("first", "s1", 0), ("second", "s1", 1)]
    assert not folder.troubles


def test_a_writer_beside_a_damaged_file_still_takes_rows(open_writer, open_reader, said, spool, caplog):
    (spool / "inbox-foreign-b1.db").write_bytes(b"something else" * 100)
    writer = open_writer("w")
    with caplog.at_level(logging.WARNING):
        writer.append(said("s1", 0))
    assert open_reader(writer.path).last_seq() == 1
    assert "out of order" in caplog.text


def test_a_file_is_retired_when_it_is_empty_and_its_writer_gone(open_writer, folder, said, spool):
    writer = open_writer("w")
    name = writer.path.name
    writer.append(said("s1", 0))
    assert not folder.retire(name)  # rows, and a writer
    folder.reader(name).delete_upto(1)
    assert not folder.retire(name)  # a writer
    writer.append(said("s1", 1))
    writer.close()
    assert not folder.retire(name)  # rows
    folder.reader(name).delete_upto(2)
    assert folder.retire(name)
    assert list(spool.iterdir()) == []
    assert folder.retire(name)  # gone is gone
    assert folder.names() == []


def test_what_waited_for_a_retired_file_passes(open_writer, folder, said):
    first, second = open_writer("first"), open_writer("second")
    first.append(said("s1", 0))
    second.append(said("s1", 1))
    first.close()
    folder.reader(first.path.name).delete_upto(1)
    assert folder.retire(first.path.name)
    assert told(folder.pending({}, 10)) == [("second", "s1", 1)]


def test_an_unknown_file_is_a_sentence(folder):
    with pytest.raises(InboxError, match="no inbox inbox-x-y"):
        folder.reader("inbox-x-y.db")


def test_the_tail_brings_rows_back_until_they_are_done(open_writer, tail, said, spool):
    writer = open_writer("w")
    for n in range(4):
        writer.append(said("s1", n))

    rows = tail.read(3)
    assert tail.read(3) == rows
    tail.done(rows[:2])
    assert [n for _, _, n in told(tail.read(10))] == [2, 3]
    tail.done(tail.read(10))
    assert tail.read(10) == []
    assert writer.path.exists()  # its writer lives

    writer.close()
    assert tail.read(10) == []
    assert list(spool.iterdir()) == []
