"""What was left over: connections that nobody ever paired, those without a session, and sessions without one. Looked for rarely."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from connector.connections import REMOVED
from connector.portrait import known_of
from connector.spool import Connection, Spool
from sessions.fleet import Fleet
from sessions.model import SessionId
from sessions.ports import SessionView
from sessions.state import NEVER_LINKED
from watchdog.sights import Stray

EVERY_S = 600.0
TOLD_AFTER_S = 30 * 86_400.0
"""How old a connection is that nobody paired, before somebody is told, where none is removed."""
YOUNG_S = 3_600.0
"""What is younger may still be in the making."""


class Strays:
    """Answers from memory for ten minutes. *clock*: unix seconds; *kept_s*: after how long what nobody paired may go, None for never."""

    def __init__(
        self, fleet: Fleet, spool: Spool, clock: Callable[[], float] = time.time, *, kept_s: float | None = None
    ) -> None:
        self._fleet = fleet
        self._spool = spool
        self._kept_s = kept_s
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

    def forget(self) -> None:
        """Look again when next asked: something was removed."""
        self._looked = float("-inf")

    def _of_connections(self, kept: Iterable[Connection]) -> Iterable[Stray]:
        sessions = {view.id: view for view in self._fleet.snapshot()}
        for one in kept:
            view = sessions.get(SessionId(one.session))
            if view is None:
                yield Stray("without_session", one.id)
            elif _unpaired(view) and known_of(one).connected_at_ms is None:
                age_s = self._clock() - max(one.created_us / 1e6, view.state.since)
                if age_s > (self._kept_s or TOLD_AFTER_S):
                    yield Stray("never_paired", one.id, age_s, removable=self._kept_s is not None)

    def _of_sessions(self, kept: Iterable[Connection], files: Mapping[str, float]) -> Iterable[Stray]:
        """*files*: when each session's were last written."""
        unpaired = {view.id for view in self._fleet.snapshot() if _unpaired(view)}
        for name in sorted(set(files) - {one.session for one in kept}):
            age_s = self._clock() - files[name]
            old = self._kept_s is not None and age_s > self._kept_s
            yield Stray("without_connection", name, age_s, removable=old and name in unpaired)


def _unpaired(view: SessionView) -> bool:
    return view.identity is None and view.state.reason in NEVER_LINKED


def _old_files(folder: Path, before: float) -> dict[str, float]:
    """The sessions whose files lie in *folder* since before *before*, and since when (unix seconds)."""
    found: dict[str, float] = {}
    for path in (*folder.glob("*.json"), *folder.glob("*.db")):
        try:
            written = path.stat().st_mtime
        except FileNotFoundError:
            continue  # removed this moment
        if not path.name.startswith(".") and written < before:
            found[path.stem] = max(written, found.get(path.stem, written))
    return found
