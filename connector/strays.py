"""What was left over: connections that nobody ever paired, those without a session, and sessions without one. Looked for rarely."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path

from connector.connections import REMOVED
from connector.portrait import known_of
from connector.spool import Connection, Spool, SpoolError
from sessions.fleet import Fleet
from sessions.model import SessionId
from sessions.ports import SessionView
from sessions.state import NEVER_LINKED
from watchdog.sights import Stray

EVERY_S = 600.0
TOLD_AFTER_S = 30 * 86_400.0
"""How old a connection is that nobody paired, before somebody is told, where none is removed."""
LOOK_S = 5.0
"""Less than a round of the watchdog may take: a disk that is slow with this hides nothing else from it."""
SURE_S = 3_600.0
"""How long this process has to see something left over before it may go."""
YOUNG_S = 3_600.0
"""What is younger may still be in the making."""


class Strays:
    """Answers from memory for ten minutes. *clock*: unix seconds; *kept_s*: after how long what nobody paired may go, None for never.

    `trouble`: why it could not be looked for them, in a sentence; what was found before counts until it can.
    """

    def __init__(
        self, fleet: Fleet, spool: Spool, clock: Callable[[], float] = time.time, *, kept_s: float | None = None
    ) -> None:
        self._fleet = fleet
        self._spool = spool
        self._kept_s = kept_s
        self._clock = clock
        self._looked = float("-inf")
        self._found: tuple[Stray, ...] = ()
        self._since: dict[tuple[str, str], float] = {}  # monotonic
        self.trouble: str | None = None

    async def look(self) -> tuple[Stray, ...]:
        """Answer what was left over."""
        if time.monotonic() - self._looked > EVERY_S:
            self._looked = time.monotonic()
            try:
                async with asyncio.timeout(LOOK_S):
                    self._found = tuple(map(self._removable, await self._look()))
            except (SpoolError, OSError, TimeoutError) as error:
                self.trouble = f"Left-overs could not be looked for ({type(error).__name__})."
            else:
                self.trouble = None
        return self._found

    def forget(self) -> None:
        """Look again when next asked: something was removed."""
        self._looked = float("-inf")

    async def _look(self) -> list[Stray]:
        kept = [one for one in await self._spool.connections.list() if not one.id.startswith(REMOVED)]
        awaited = await self._spool.pair_links.live(at_us=int(self._clock() * 1e6))
        files = await asyncio.to_thread(_old_files, self._fleet.register.folder, self._clock() - YOUNG_S)
        found = [*self._of_connections(kept, awaited), *self._of_sessions(kept, files)]
        keys = {(one.kind, one.about) for one in found}
        self._since = {key: self._since.get(key, time.monotonic()) for key in keys}
        return found

    def _removable(self, one: Stray) -> Stray:
        """As it is, but for what was not seen so for long enough: a clock that was set ahead makes everything look old."""
        seen_s = time.monotonic() - self._since[one.kind, one.about]
        return replace(one, removable=one.removable and seen_s >= SURE_S)

    def _of_connections(self, kept: Iterable[Connection], awaited: Set[str]) -> Iterable[Stray]:
        """*awaited*: those that somebody holds a link to."""
        sessions = {view.id: view for view in self._fleet.snapshot()}
        for one in kept:
            view, known = sessions.get(SessionId(one.session)), known_of(one)
            if view is None:
                yield Stray("without_session", one.id)
            elif _unpaired(view) and known.connected_at_ms is None and one.id not in awaited:
                last = max(one.created_us / 1e6, view.state.since, (known.tried_at_ms or 0) / 1e3)
                age_s = self._clock() - last
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
