"""The spool's file: its tables, how it is made, opened and recognised."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Literal

from connector.spool.errors import SpoolDamaged

NAME = "outbox.db"
MARK = 0x5649474F  # "VIGO": SQLite's application_id, by which the spool is told from any other database
FORMAT = 1

BUSY_TIMEOUT_MS = 5_000
CHECKPOINT_PAGES = 1_000
LOG_LIMIT_BYTES = 16 * 1024 * 1024

# AUTOINCREMENT: a plain rowid would begin again at 1 once the table is empty.
_SCHEMA = """
CREATE TABLE outbox (
  seq   INTEGER PRIMARY KEY AUTOINCREMENT,
  sink  TEXT    NOT NULL,
  chain TEXT    NOT NULL,
  op    TEXT    NOT NULL,
  body  BLOB    NOT NULL,
  at_us INTEGER NOT NULL
);
CREATE INDEX outbox_by_sink ON outbox (sink, seq);
CREATE INDEX outbox_by_chain ON outbox (sink, chain, seq);
CREATE TABLE cursor (file TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dead (
  id     INTEGER PRIMARY KEY AUTOINCREMENT,
  sink   TEXT    NOT NULL,
  chain  TEXT    NOT NULL,
  op     TEXT    NOT NULL,
  body   BLOB    NOT NULL,
  reason TEXT    NOT NULL,
  at_us  INTEGER NOT NULL,
  seq    INTEGER
);
CREATE INDEX dead_by_sink ON dead (sink, id);
CREATE INDEX dead_by_age ON dead (at_us);
CREATE TABLE clock (last INTEGER NOT NULL);
INSERT INTO clock (last) VALUES (0);
CREATE TABLE send (
  message_id     TEXT    PRIMARY KEY,
  connection_id  TEXT    NOT NULL,
  session        TEXT    NOT NULL,
  scope          TEXT    NOT NULL,
  key            TEXT,
  request_hash   TEXT    NOT NULL,
  status         TEXT    NOT NULL,
  wa_message_id  TEXT,
  error          TEXT,
  atendimento_id TEXT,
  at_us          INTEGER NOT NULL,
  ended_us       INTEGER,
  answer         BLOB
) WITHOUT ROWID;
CREATE UNIQUE INDEX send_by_key ON send (scope, key) WHERE key IS NOT NULL;
CREATE INDEX send_open ON send (at_us) WHERE status = 'sending';
CREATE INDEX send_by_age ON send (at_us);
CREATE TABLE connection (
  id         TEXT    PRIMARY KEY,
  session    TEXT    NOT NULL UNIQUE,
  name       TEXT    NOT NULL,
  owner_id   TEXT    NOT NULL,
  company_id TEXT,
  created_us INTEGER NOT NULL,
  body       BLOB    NOT NULL
) WITHOUT ROWID;
"""

# Came later: made where it is missing, so that a spool of before needs no other format.
_EVENTS = """
CREATE TABLE IF NOT EXISTS event (
  id         INTEGER PRIMARY KEY,
  name       TEXT    NOT NULL,
  connection TEXT,
  body       BLOB    NOT NULL
);
"""
_PAIR_LINKS = """
CREATE TABLE IF NOT EXISTS pair_link (
  connection_id TEXT    PRIMARY KEY,
  session       TEXT    NOT NULL,
  digest        BLOB    NOT NULL UNIQUE,
  expires_us    INTEGER NOT NULL
) WITHOUT ROWID;
"""


def prepare(path: Path) -> None:
    """Make the file unless it is there, whole or not at all. Raises `SpoolDamaged`, `sqlite3.Error` or `OSError`."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(path)
    db = connect(path, "normal")
    try:
        _recognise(db, path)
        _complete(db)
    finally:
        db.close()


def connect(path: Path, sync: Literal["full", "normal"]) -> sqlite3.Connection:
    """Open the file, for one thread at a time. "full": what is committed survives a power cut, at the price of one fsync."""
    # mode=rw: opening must not make an empty database where there is none.
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        db.execute(f"PRAGMA synchronous = {sync}")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {LOG_LIMIT_BYTES}")
    except BaseException:
        db.close()
        raise
    return db


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.new")
    for suffix in ("", "-wal", "-shm"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = sqlite3.connect(draft, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_SCHEMA)
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute(f"PRAGMA application_id = {MARK}")
    finally:
        db.close()
    draft.rename(path)


def _recognise(db: sqlite3.Connection, path: Path) -> None:
    (mark,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if mark != MARK:
        raise SpoolDamaged(f"{path} is a file of another program.")
    if version != FORMAT:
        raise SpoolDamaged(f"{path} has format {version}, and this version reads {FORMAT}: use the newer one.")


def _complete(db: sqlite3.Connection) -> None:
    """Add what files of this format were first made without. Earlier versions do not mind it."""
    db.execute(_EVENTS)
    db.execute(_PAIR_LINKS)
    if "seq" not in {row[1] for row in db.execute("PRAGMA table_info(dead)").fetchall()}:
        db.execute("ALTER TABLE dead ADD COLUMN seq INTEGER")
    db.execute("CREATE INDEX IF NOT EXISTS outbox_by_chain ON outbox (sink, chain, seq)")
    db.execute("CREATE INDEX IF NOT EXISTS dead_by_age ON dead (at_us)")
