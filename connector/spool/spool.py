"""The spool as a whole: one file, one thread, and the keepers of what is in it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from connector.spool import file
from connector.spool.clock import VersionClock, wall_us
from connector.spool.connections import Connections
from connector.spool.database import Database
from connector.spool.dead import DeadLetters
from connector.spool.disk import Disk
from connector.spool.journal import Journal
from connector.spool.mover import Mover, Process
from connector.spool.outbox import Outbox
from connector.spool.pairlinks import PairLinks
from connector.spool.sends import Sends
from connector.spool.tally import Tally
from sessions.inbox import InboxFolder


class Spool:
    """What lies under *folder* (`data/spool`). Make it with `opened`; `close` it last. *now_us*: unix microseconds."""

    def __init__(self, folder: Path, *, disk: Disk | None = None, now_us: Callable[[], int] = wall_us) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self.disk = disk or Disk(folder)
        self.clock = VersionClock(now_us)
        self.tally = Tally()
        self._database = Database(folder / file.NAME, self.clock, relieve=self.disk.relieve)
        self.outbox = Outbox(self._database, self.tally, now_us)
        self.dead = DeadLetters(self._database, self.tally, now_us)
        self.sends = Sends(self._database, self.tally, now_us)
        self.connections = Connections(self._database, self.tally, now_us)
        self.pair_links = PairLinks(self._database)
        self.journal = Journal(self._database)

    @classmethod
    async def opened(cls, folder: Path, *, disk: Disk | None = None, now_us: Callable[[], int] = wall_us) -> Spool:
        """Open the spool, making it when it is missing. Raises `SpoolError` or `OSError`."""
        spool = await asyncio.to_thread(cls, folder, disk=disk, now_us=now_us)
        await asyncio.to_thread(spool.disk.tend)
        spool.tally.load(*await spool._database.read(_counts))
        return spool

    def mover(self, process: Process, rung: asyncio.Event) -> Mover:
        """Answer what moves this folder's inboxes; not yet started. *rung* is set when there may be something to move."""
        return Mover(InboxFolder(self._folder), self.outbox, process, dead=self.dead, disk=self.disk, rung=rung)

    async def close(self) -> None:
        """Finish what was asked for, and close the file. To close twice is harmless."""
        await self._database.close()


def _counts(db: sqlite3.Connection) -> tuple[dict[str, int], dict[str, int]]:
    waiting = db.execute("SELECT sink, count(*) FROM outbox GROUP BY sink").fetchall()
    return dict(waiting), dict(db.execute("SELECT sink, count(*) FROM dead GROUP BY sink").fetchall())
