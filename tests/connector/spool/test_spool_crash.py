"""What survives when the service is killed at any moment: real processes, killed with SIGKILL or ended in the middle of a move."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import pytest

from sessions.inbox import InboxReader, InboxWriter, Row, inbox_name

ROOT = Path(__file__).parents[3]
ROUNDS = 6

# The service in small: it moves, two sinks write what they take to files of their own (line by line, before they answer), and in
# the middle of moves it may end by itself, at the places that a kill from outside seldom meets.
SERVICE = textwrap.dedent("""
    import asyncio, os, random, sys
    from pathlib import Path
    from connector.spool import Delivered, Drainer, Mover, OutRow, Spool
    from sessions.inbox import InboxFolder

    folder, chance, until_drained = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "to the end"
    dice = random.Random(int(sys.argv[4]))

    class Journal:
        def __init__(self, name):
            self.name = name
            self._file = os.open(folder.parent / name, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

        async def deliver(self, rows):
            os.write(self._file, b"".join(f"{row.seq} {row.chain} {row.op}\\n".encode() for row in rows))
            return Delivered()

    def process(file, row, next_version):
        if dice.random() < chance / 20:
            os._exit(7)
        return [OutRow(name, row.session, f"{file}:{row.seq}", b"%d" % next_version()) for name in ("record", "webhook")]

    class Fragile(InboxFolder):
        def reader(self, name):
            if dice.random() < chance:
                os._exit(7)  # between the outbox's commit and the inbox's delete
            return super().reader(name)

    async def main():
        spool = await Spool.opened(folder)
        drainers = [Drainer(Journal(name), spool.outbox, batch=50) for name in ("record", "webhook")]
        mover = Mover(Fragile(folder), spool.outbox, process, dead=spool.dead, disk=spool.disk, rung=asyncio.Event(), batch=20)
        await mover.start()
        for drainer in drainers:
            drainer.start()
        print("running", flush=True)
        if not until_drained:
            await asyncio.sleep(3600)
        await mover.drained()
        while any(drainer.view.depth for drainer in drainers):
            await spool.outbox.cursors()
        assert not mover.troubles, mover.troubles
        for part in (*drainers, mover):
            await part.stop()
        await spool.close()

    asyncio.run(main())
""")


def start(folder: Path, chance: float, mode: str, seed: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, "-c", SERVICE, str(folder), str(chance), mode, str(seed)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


class Workers:
    """Two workers that append without end, each session's rows in one file, and remember what they were told is stored."""

    def __init__(self, folder: Path) -> None:
        self.stored: defaultdict[str, list[str]] = defaultdict(list)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._append, args=(folder, f"w{n}"), daemon=True) for n in range(2)]
        for thread in self._threads:
            thread.start()

    def _append(self, folder: Path, worker: str) -> None:
        name = inbox_name(worker, "boot")
        writer = InboxWriter(folder / name, wake=lambda: None, free_bytes=lambda _: 1 << 40)
        n = 0
        while not self._ended.wait(0.001):
            n += 1
            session = f"{worker}-{n % 3}"
            writer.append(Row(session, "message", 1, n, bytes(300)))
            self.stored[session].append(f"{name}:{n}")
        writer.close()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(20)


def journal(path: Path) -> list[tuple[int, str, str]]:
    lines = [line.split(" ") for line in path.read_text().splitlines()]
    return [(int(seq), chain, op) for seq, chain, op in lines]


def rows_in(path: Path) -> int:
    with closing(InboxReader(path)) as reader:
        return len(reader.read_after(0, 10))


@pytest.mark.parametrize("seed", [11, 12])
def test_killed_at_any_moment_nothing_is_lost_and_nothing_is_made_twice(tmp_path, seed):
    dice = random.Random(seed)
    folder = tmp_path / "spool"
    folder.mkdir()
    workers = Workers(folder)
    try:
        for number in range(ROUNDS):
            service = start(folder, 0.01, "for ever", seed * 100 + number)
            with service:
                assert service.stdout is not None
                service.stdout.readline()
                try:
                    service.wait(dice.uniform(0.01, 0.7))
                except subprocess.TimeoutExpired:
                    service.kill()
    finally:
        workers.stop()
    with start(folder, 0.0, "to the end", seed) as service:
        assert service.wait(60) == 0

    for sink in ("record", "webhook"):
        delivered = journal(tmp_path / sink)
        once = dict.fromkeys(delivered)  # what was delivered just before a kill may be delivered again, as the same row
        assert len({op for _, _, op in once}) == len(once), "an event was made into two rows"
        seen: defaultdict[str, list[str]] = defaultdict(list)
        for _, chain, op in once:
            seen[chain].append(op)
        assert seen == workers.stored
    assert [path.name for path in folder.glob("inbox-*.db") if rows_in(path)] == []
