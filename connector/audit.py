"""The book of actions: what was done, by whom, to what and why. One JSON object a line, in files that are put aside when they are full."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from loguru import logger

NAME = "audit.jsonl"
FULL_BYTES = 1 << 20
KEPT_FILES = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One action. `at`: unix seconds; `actor`: `watchdog`, `operator`, `housekeeping`; `about`: an id or a name, no person's number."""

    at: float
    actor: str
    action: str
    about: str
    why: str
    done: bool


class Audit:
    """The book under *folder*. Written without waiting for the disk: a power cut may take its last lines."""

    def __init__(self, folder: Path, *, full_bytes: int = FULL_BYTES, clock: Callable[[], float] = time.time) -> None:
        self._path = folder / NAME
        self._full_bytes = full_bytes
        self._clock = clock
        self._failed = False

    def note(self, actor: str, action: str, about: str, why: str, *, done: bool) -> None:
        """Add an action. Never fails: what cannot be written is said in the log, once."""
        line = msgspec.json.encode(Entry(self._clock(), actor, action, about, why, done)) + b"\n"
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

    def entries(self, *, limit: int = 100, before: float | None = None) -> list[Entry]:
        """Answer the newest *limit* entries, newest first; with *before* (unix seconds), older ones. Reads files: not for the loop."""
        found: list[Entry] = []
        for entry in self._newest_first():
            if len(found) == limit:
                break
            if before is None or entry.at < before:
                found.append(entry)
        return found

    def _newest_first(self) -> Iterator[Entry]:
        for path in (self._path, *(self._aside(number) for number in range(1, KEPT_FILES))):
            try:
                lines = path.read_bytes().splitlines()
            except FileNotFoundError:
                return
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
