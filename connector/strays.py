"""What was left over: connections that nobody ever paired, those without a session, and sessions without one. Looked for rarely."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from connector.connections import REMOVED
from connector.spool import Connection, Spool
from sessions.fleet import Fleet
from sessions.model import SessionId
from sessions.state import Reason
from watchdog.sights import Stray

EVERY_S = 600.0
ORPHAN_AFTER_S = 30 * 86_400.0
"""How old a connection is that nobody paired, before somebody is told."""
YOUNG_S = 3_600.0
"""What is younger may still be in the making."""
_NEVER_PAIRED = (Reason.NEVER_PAIRED, Reason.PAIRING_ENDED)


class Strays:
    """Answers from memory for ten minutes. *clock*: unix seconds."""

    def __init__(self, fleet: Fleet, spool: Spool, clock: Callable[[], float] = time.time) -> None:
        self._fleet = fleet
        self._spool = spool
        self._clock = clock
        self._looked = float("-inf")
        self._found: tuple[Stray, ...] = ()

    async def look(self) -> tuple[Stray, ...]:
        """Answer what was left over. Raises `SpoolError`."""
        if time.monotonic() - self._looked > EVERY_S:
            kept = [one for one in await self._spool.connections.list() if not one.id.startswith(REMOVED)]
            files = await asyncio.to_thread(_old_files, self._fleet.register.folder, self._clock() - YOUNG_S)
            self._found = (*self._of_connections(kept), *self._of_sessions(kept, files))
            self._looked = time.monotonic()
        return self._found

    def _of_connections(self, kept: Iterable[Connection]) -> Iterable[Stray]:
        sessions = {view.id: view for view in self._fleet.snapshot()}
        for one in kept:
            age_s = self._clock() - one.created_us / 1e6
            view = sessions.get(SessionId(one.session))
            if view is None:
                yield Stray("without_session", one.id, age_s)
            elif view.identity is None and view.state.reason in _NEVER_PAIRED and age_s > ORPHAN_AFTER_S:
                yield Stray("never_paired", one.id, age_s)

    def _of_sessions(self, kept: Iterable[Connection], files: Iterable[str]) -> Iterable[Stray]:
        owned = {one.session for one in kept}
        return [Stray("without_connection", name) for name in sorted(set(files) - owned)]


def _old_files(folder: Path, before: float) -> list[str]:
    """The sessions whose files lie in *folder* since before *before* (unix seconds)."""
    found: list[str] = []
    for path in (*folder.glob("*.json"), *folder.glob("*.db")):
        try:
            if not path.name.startswith(".") and path.stat().st_mtime < before:
                found.append(path.stem)
        except FileNotFoundError:
            continue  # removed this moment
    return found
