"""The file itself: how it is made, opened and recognised, and SQLite's errors in our words."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal, get_args

from sessions.inbox.rows import InboxDamaged, InboxError, InboxFull
from sessions.locks import FileLock

PATTERN = "inbox-*.db"
MARK = 0x56494758  # "VIGX": SQLite's application_id, by which an inbox is told from any other database
FORMAT = 1

BUSY_TIMEOUT_MS = 5_000
LOG_LIMIT_BYTES = 16 * 1024 * 1024
# The writer's is a safety net for when nobody reads: readers checkpoint sooner, so that appends need not.
WRITER_CHECKPOINT_PAGES = 4_000
READER_CHECKPOINT_PAGES = 1_000

Sync = Literal["normal", "full"]
"""What an append survives: "normal" a killed process, "full" a power cut too, at the price of one fsync."""

_SCHEMA = """
CREATE TABLE meta (created_us INTEGER NOT NULL);
CREATE TABLE row (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  session TEXT    NOT NULL,
  kind    TEXT    NOT NULL,
  code    INTEGER NOT NULL,
  at_us   INTEGER NOT NULL,
  body    BLOB,
  raw     BLOB,
  error   TEXT,
  after   BLOB
);
"""

# A quota or a size limit comes as an I/O error, not as a full disk.
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
_FULL_OS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def writer_lock(path: Path) -> FileLock:
    """Answer the lock that a writer holds for its whole life: whoever else can take it knows that the writer is gone."""
    return FileLock(path.with_name(f"{path.name}.lock"))


def create(path: Path, created_us: int) -> None:
    """Make an empty inbox at *path*. It appears there whole or not at all, so a reader never meets half a file.

    Raises `InboxError` when the name is taken: a file is never reused.
    """
    if path.exists():
        raise InboxError(f"{path.name} exists already: every start of a worker needs a file of its own.")
    draft = path.with_name(f"{path.name}.new")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
            db.execute("INSERT INTO meta (created_us) VALUES (?)", (created_us,))
            db.execute(f"PRAGMA user_version = {FORMAT}")
            db.execute(f"PRAGMA application_id = {MARK}")
        draft.rename(path)
    except (sqlite3.Error, OSError) as error:
        remove(draft)
        raise in_words(path, error) from error


def open_for_writing(path: Path, sync: Sync) -> sqlite3.Connection:
    """Open an inbox that `create` made, for one connection shared by many threads under a lock of the caller's."""
    if sync not in get_args(Sync):  # SQLite would take an unknown word for "off"
        raise ValueError(f"sync is one of {get_args(Sync)}, not {sync!r}")
    return _open(path, sync, WRITER_CHECKPOINT_PAGES)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open any inbox, its writer dead or alive, to read and delete. Raises `InboxDamaged` or `InboxError`."""
    return _open(path, "normal", READER_CHECKPOINT_PAGES)


def remove(path: Path) -> None:
    """Delete the database, its logs and its writer's lock, which goes last: until then nothing else may use the name."""
    for suffix in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def free_bytes(path: Path) -> int:
    """Answer how much an ordinary user may still write to the disk that *path* lies on."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def in_words(path: Path, error: Exception) -> InboxError:
    """Answer *error* as ours. It names the file and what SQLite says of it, never what was in a row."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code in _FULL or getattr(error, "errno", None) in _FULL_OS:
        return InboxFull(f"{path.name} cannot grow: the disk, a quota or a size limit is full. Free some space.")
    if code & 0xFF in _DAMAGED:
        return InboxDamaged(f"{path.name} is damaged or no inbox at all ({error}).")
    if isinstance(error, (sqlite3.Error, OSError)):
        return InboxError(f"{path.name}: {error}.")
    return InboxError(f"{path.name} cannot store this row ({type(error).__name__}).")


def _open(path: Path, sync: Sync, checkpoint_pages: int) -> sqlite3.Connection:
    # mode=rw: opening must not make an empty database where a retired inbox was.
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise in_words(path, error) from error
    try:
        _recognise(db, path)
        db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        db.execute(f"PRAGMA synchronous = {sync}")
        db.execute(f"PRAGMA wal_autocheckpoint = {checkpoint_pages}")
        db.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}")
    except BaseException as error:
        db.close()
        if isinstance(error, sqlite3.Error):
            raise in_words(path, error) from error
        raise
    return db


def _recognise(db: sqlite3.Connection, path: Path) -> None:
    (mark,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if mark != MARK:
        raise InboxDamaged(f"{path.name} is a file of another program, or never became an inbox.")
    if version != FORMAT:
        raise InboxDamaged(
            f"{path.name} has format {version}, and this version reads format {FORMAT}: use the newer one."
        )
