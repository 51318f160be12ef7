"""What an inbox holds, and what can go wrong with one. Words only: no SQL, no files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sessions.errors import DiskFull, SessionsError

_NAME_PART = re.compile(r"[A-Za-z0-9_.-]+")


class InboxError(SessionsError):
    """The inbox could not be used."""

    code = "inbox"


class InboxFull(InboxError, DiskFull):
    """The disk takes no more: free some space."""

    code = "disk_full"


class InboxDamaged(InboxError):
    """The file is no inbox that this version can read: damaged, foreign, or written by a newer version."""

    code = "inbox_damaged"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened, as a worker hands it over.

    `session`: whose; "" for the worker's own rows, which keep no order across files. `kind`: our word ("message", "receipt",
    "outcome", ...), or "raw" for an event without words: no translation exists or it failed, and then `error` says why.
    `code`: the engine's event code, -1 for rows of our own. `at_us`: unix microseconds. `body`: our words, encoded; `raw`: the
    engine's bytes.
    """

    session: str
    kind: str
    code: int
    at_us: int
    body: bytes | None = None
    raw: bytes | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow(Row):
    """A row in its place. `seq` rises within a file and is never used twice.

    `after` names the other files that have to be read up to and including that seq first (None: none): where the session was
    before (see `handover`). `InboxFolder.pending` keeps to it; whoever reads a file alone must do so too.
    """

    seq: int
    after: Mapping[str, int] | None = None


def inbox_name(worker: str, boot: str) -> str:
    """Name the file of one start of a worker. *boot* is random, so a name never comes back. Letters, digits, `_`, `.`, `-`."""
    if not (_NAME_PART.fullmatch(worker) and _NAME_PART.fullmatch(boot)):
        raise ValueError(f"neither {worker!r} nor {boot!r} may hold anything but letters, digits, '_', '.' and '-'")
    return f"inbox-{worker}-{boot}.db"
