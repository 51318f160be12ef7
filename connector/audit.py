"""The book of actions: what was done, by whom, to what and why. One JSON object a line, in files that are put aside when they are full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from loguru import logger

NAME = "audit.jsonl"
FULL_BYTES = 1 << 20
KEPT_FILES = 5

Noted = Callable[[str, str, str], None]
"""Is told of what somebody did: the action, what it was done to, why."""


def unnoted(_action: str, _about: str, _why: str) -> None:
    """Keep no book."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One action. `at`: unix seconds; `actor`: `watchdog`, `operator`, `housekeeping`; `about`: an id or a name, no person's number."""

    at: float
    actor: str
    action: str
    about: str
    why: str
    done: bool

    @property
    def id(self) -> int:
        """Answer the entry's place in the book: when it was written, in microseconds."""
        return round(self.at * 1_000_000)


class Audit:
    """The book under *folder*. Written without waiting for the disk: a power cut may take its last lines."""

    def __init__(self, folder: Path, *, full_bytes: int = FULL_BYTES, clock: Callable[[], float] = time.time) -> None:
        self._path = folder / NAME
        self._full_bytes = full_bytes
        self._clock = clock
        self._failed = False

    def note(self, actor: str, action: str, about: str, why: str, *, done: bool) -> None:
        """Add an action. Never fails: what cannot be written is said in the log, once."""
        line = msgspec.json.encode(Entry(round(self._clock(), 6), actor, action, about, why, done)) + b"\n"
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(line)
                full = file.tell() >= self._full_bytes
            if full:
                self._put_aside()
        except OSError as error:
            if not self._failed:
                logger.error("The audit log cannot be written: {}", error.strerror)
            self._failed = True
        else:
            self._failed = False

    def by_operator(self, action: str, about: str, why: str) -> None:
        """Add what somebody with the API's key did."""
        self.note("operator", action, about, why, done=True)

    async def read(self, limit: int, before: int | None) -> list[Entry]:
        """Answer `entries`, read on a thread."""
        return await asyncio.to_thread(self.entries, limit=limit, before=before)

    def entries(self, *, limit: int = 100, before: int | None = None) -> list[Entry]:
        """Answer the newest *limit* entries, newest first; with *before*, the id of one, older ones. Reads files: not for the loop."""
        found: list[Entry] = []
        for entry in self._newest_first():
            if len(found) == limit:
                break
            if before is None or entry.id < before:
                found.append(entry)
        return found

    def _newest_first(self) -> Iterator[Entry]:
        for path in (self._path, *(self._aside(number) for number in range(1, KEPT_FILES))):
            try:
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:
                continue  # put aside a moment ago, and nothing was noted since
            for line in reversed(lines):
                try:
                    yield msgspec.json.decode(line, type=Entry)
                except msgspec.DecodeError:
                    continue  # cut off by a crash

    def _put_aside(self) -> None:
        for number in range(KEPT_FILES - 1, 0, -1):
            older = self._path if number == 1 else self._aside(number - 1)
            if older.exists():
                older.replace(self._aside(number))

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"audit.{number}.jsonl")
