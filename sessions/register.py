"""Which sessions there are: one small JSON file each, beside its engine database, replaced whole at every change."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sessions.errors import FixUs
from sessions.model import Identity, SessionId
from sessions.state import Reason


@dataclass(frozen=True, slots=True)
class Record:
    """What outlives a restart. `wanted`: connect it at the start; `reason`: the last one, for those that do not run."""

    id: SessionId
    wanted: bool = True
    identity: Identity | None = None
    reason: str = Reason.NEVER_PAIRED.code
    detail: str = ""
    since: float = 0.0
    retry_at: float | None = None  # unix seconds: not before (a ban's end)
    phone_seen_at: float | None = (
        None  # unix seconds: when the account's own phone last did something, as far as it shows
    )
    phone_told_days: int = 0  # for how many days the phone was unseen when somebody was last told of it

    @property
    def paired(self) -> bool:
        """Whether the session has credentials."""
        return self.identity is not None


class Register:
    """The folder of all sessions: `<id>.json` (ours), `<id>.db` (the engine's), `<id>.lock`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def database(self, session: SessionId) -> Path:
        """Where the engine keeps this session's credentials."""
        return self.folder / f"{session}.db"

    def load(self, unreadable: Callable[[FixUs], None] | None = None) -> list[Record]:
        """Read every record. One that cannot be read is told to *unreadable* and left where it is; without it `FixUs` is raised."""
        records: list[Record] = []
        for path in sorted(self.folder.glob("*.json")):
            try:
                records.append(self._read(path))
            except FixUs as error:
                if unreadable is None:
                    raise
                unreadable(error)
        return records

    def save(self, record: Record) -> None:
        """Write *record* so that a crash or a power cut leaves the old one or the new one. Waits for the disk."""
        fd, name = tempfile.mkstemp(dir=self.folder, prefix=f".{record.id}.")
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(record))
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.folder / f"{record.id}.json")
            self._sync_folder()
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def erase_credentials(self, session: SessionId) -> None:
        """Delete what the engine knows of the account: the next pairing begins with nothing. Only after it is closed."""
        for suffix in (".db", ".db-wal", ".db-shm"):
            (self.folder / f"{session}{suffix}").unlink(missing_ok=True)

    def remove(self, session: SessionId) -> None:
        """Delete a session's record and its engine files. Only after it is closed."""
        (self.folder / f"{session}.json").unlink(missing_ok=True)
        self.erase_credentials(session)
        (self.folder / f"{session}.lock").unlink(missing_ok=True)

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _read(self, path: Path) -> Record:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Record)
        except (OSError, msgspec.DecodeError) as error:
            raise FixUs(
                f"The session record {path.name} cannot be read: restore it, or remove it with its .db file."
            ) from error


def without_credentials(record: Record, reason: Reason, since: float) -> Record:
    """Answer *record* after its account was unlinked."""
    return Record(record.id, wanted=record.wanted, reason=reason.code, since=since)
