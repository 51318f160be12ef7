"""What can go wrong with the spool, sorted by what is done next, and SQLite's errors in these words."""

from __future__ import annotations

import errno
import sqlite3

# A quota or a size limit comes as an I/O error, not as a full disk.
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_FULL_OS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class SpoolError(Exception):
    """The spool could not be used just now; what was asked for was not done."""


class SpoolFull(SpoolError):
    """The disk takes no more: free some space."""


class SpoolClosed(SpoolError):
    """The service is stopping."""


class SpoolDamaged(SpoolError):
    """The file is no spool that this version can read: damaged, foreign, or written by a newer version."""


def is_full(error: BaseException) -> bool:
    """Answer whether *error* means that the disk takes no more."""
    if isinstance(error, sqlite3.Error):
        return _code(error) in _FULL
    return isinstance(error, OSError) and error.errno in _FULL_OS


def in_words(error: Exception) -> Exception:
    """Answer what SQLite or the system says as a `SpoolError`; anything else as it is. Never what was in a row."""
    if is_full(error):
        return SpoolFull("The spool cannot grow: the disk, a quota or a size limit is full. Free some space.")
    if isinstance(error, sqlite3.Error) and _code(error) & 0xFF in _DAMAGED:
        return SpoolDamaged(f"The spool's file is damaged or no spool at all ({error}).")
    if isinstance(
        error, sqlite3.IntegrityError | sqlite3.InterfaceError | sqlite3.ProgrammingError | sqlite3.DataError
    ):
        return error
    if isinstance(error, sqlite3.Error | OSError):
        return SpoolError(f"The spool: {error}.")
    return error


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0)  # absent where Python itself refused
