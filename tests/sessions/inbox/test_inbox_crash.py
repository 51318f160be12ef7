"""What survives when a worker is killed, when its disk takes no more, and while somebody reads what it writes: real processes."""

from __future__ import annotations

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from typing import IO

import pytest

from sessions.inbox import InboxReader, InboxTail, StoredRow

PATIENCE_S = 30

TALKERS = """
import os, sys, threading
from pathlib import Path
from sessions.inbox import InboxWriter, Row

writer = InboxWriter(Path(sys.argv[1]), wake=lambda: None)

def talk(session):
    for n in range(200_000):
        writer.append(Row(session, "message", 17, n, b"words" * 40, b"raw" * 60))
        os.write(1, f"{session} {n}\\n".encode())

for k in range(3):
    threading.Thread(target=talk, args=(f"s{k}",)).start()
"""

SMALL_DISK = """
import resource, sys
from pathlib import Path
from sessions.inbox import InboxFull, InboxWriter, Row

lows = []
writer = InboxWriter(Path(sys.argv[1]), wake=lambda: None, low_water_bytes=0, on_low=lambda: lows.append(1))
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, most))
taken = refused = 0
while refused < 3:
    try:
        writer.append(Row("s1", "message", 17, taken, b"x" * 500))
        taken += 1
    except InboxFull:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
writer.append(Row("s1", "message", 17, taken))
print(taken + 1, len(lows), flush=True)
sys.stdin.read()
"""

CHATTERBOX = """
import os, sys
from pathlib import Path
from sessions.inbox import InboxWriter, Row

writer = InboxWriter(Path(sys.argv[1]), wake=lambda: os.write(1, b"."))
for n in range(3_000):
    writer.append(Row("s1", "message", 17, n, b"words" * 40))
"""


def start(program: str, path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )


def pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end
    return end


def drain(tail: InboxTail) -> list[StoredRow]:
    rows: list[StoredRow] = []
    while batch := tail.read(1000):
        rows += [row for _, row in batch]
        tail.done(batch)
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_a_killed_worker_leaves_all_that_it_was_told_is_stored(spool, tail, seed):
    path = spool / "inbox-w-b1.db"
    acknowledged: dict[str, int] = defaultdict(int)
    with start(TALKERS, path) as child:
        lines = os.fdopen(os.dup(pipe(child.stdout).fileno()), "rb")
        with lines:
            for _ in range(random.Random(seed).randrange(1, 2_000)):
                count(next(lines), acknowledged)
            child.kill()
            for line in lines:
                count(line, acknowledged)
        assert child.wait(PATIENCE_S) == -signal.SIGKILL

    stored = defaultdict(list)
    for row in drain(tail):
        stored[row.session].append(row.at_us)

    for session, numbers in stored.items():
        assert numbers == list(range(len(numbers)))
        # At most the append under way was stored and not yet told.
        assert 0 <= len(numbers) - acknowledged[session] <= 1
    assert acknowledged.keys() <= stored.keys()
    assert list(spool.iterdir()) == []  # the kernel gave its lock back


def count(line: bytes, acknowledged: dict[str, int]) -> None:
    session, n = line.decode().split()
    assert int(n) == acknowledged[session]
    acknowledged[session] += 1


def test_a_disk_that_takes_no_more_refuses_and_loses_nothing(spool):
    path = spool / "inbox-w-b1.db"
    with start(SMALL_DISK, path) as child:
        taken, lows = map(int, pipe(child.stdout).readline().split())
        assert lows == 1
        with closing(InboxReader(path)) as reader:
            assert [row.at_us for row in reader.read_after(0, 10_000)] == list(range(taken))
        pipe(child.stdin).close()
        assert child.wait(PATIENCE_S) == 0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_reading_and_deleting_while_another_process_writes(spool, tail):
    heard: list[int] = []
    with start(CHATTERBOX, spool / "inbox-w-b1.db") as child:
        wakes = pipe(child.stdout)
        while select.select([wakes], [], [], PATIENCE_S)[0] and wakes.read(4096):
            heard += [row.at_us for row in drain(tail)]
        assert child.wait(PATIENCE_S) == 0

    assert heard == list(range(3_000))
    assert drain(tail) == []
    assert list(spool.iterdir()) == []
