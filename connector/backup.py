"""A copy of the data folder that can be started from, taken while the service runs: `vigia backup`.

A process of its own: two copies of SQLite in one process would break each other's locks on a session's file.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import msgspec

from connector import settings
from connector.command import Command, Say
from connector.failures import ExitCode, StartFailure
from connector.spool.file import NAME as OUTBOX

ABOUT = """\
Copies what DATA_DIR holds into a folder, while the service runs or not: the sessions' credentials, what waits in the
spool, and the keys. That folder can be started from as a DATA_DIR. The embedded database and the logs are left out.

The copy is as secret as the original, and it ages with every message: docs/backup.md says when to use it, and when not.
"""
MANIFEST = "backup.json"
BUSY_S = 30.0
_LEFT_OUT = frozenset({"postgres", "logs", "lab"})
_OF_THE_RUNNING = (".lock", "-wal", "-shm", "-journal", ".sock", ".pid")
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy is: by which version, when (unix seconds), and the files in it with their bytes. `gone`: left while it was made."""

    version: str
    at: float
    files: dict[str, int] = field(default_factory=dict[str, int])
    gone: list[str] = field(default_factory=list[str])


def back_up(data: Path, to: Path, *, copied: Callable[[str], None] = lambda _name: None) -> Manifest:
    """Copy the data folder *data* to *to*, which must not exist yet; it appears when it is complete. Raises `OSError`, `sqlite3.Error`."""
    part = to.with_name(f".{to.name}.part-{os.getpid()}")
    part.mkdir(mode=0o700, parents=True)
    try:
        manifest = Manifest(version("vigia"), time.time())
        for path in _in_order(data):
            name = path.relative_to(data).as_posix()
            try:
                manifest.files[name] = _copy(path, part / name)
            except FileNotFoundError:
                manifest.gone.append(name)  # a session was removed, or an inbox was read to its end
            copied(name)
        (part / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        part.rename(to)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return manifest


def _in_order(data: Path) -> list[Path]:
    """The outbox comes last: what it has taken from an inbox since that was copied is then there twice, and counted once."""
    return sorted(_kept(data), key=lambda path: (path.name == OUTBOX, path))


def _kept(folder: Path, *, top: bool = True) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name.startswith(".") or path.is_symlink() or (top and path.name in _LEFT_OUT):
            continue
        if path.is_dir():
            yield from _kept(path, top=False)
        elif path.is_file() and not path.name.endswith(_OF_THE_RUNNING) and path.name not in (MANIFEST, "ballast"):
            yield path


def _copy(path: Path, to: Path) -> int:
    """Copy one file, a database by its own means; answers its bytes. Raises `FileNotFoundError` when it is gone."""
    to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _is_database(path):
        _copy_database(path, to)
    else:
        shutil.copyfile(path, to)
    to.chmod(0o600)
    return to.stat().st_size


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_database(path: Path, to: Path) -> None:
    try:
        source = sqlite3.connect(f"file:{_quoted(path)}?mode=rw", uri=True, timeout=BUSY_S)
    except sqlite3.OperationalError:
        if path.exists():
            raise
        raise FileNotFoundError(path) from None
    with closing(source), closing(sqlite3.connect(to)) as copy:
        source.backup(copy, pages=-1)  # all at once: a writer in between would have it begin again, and again
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, whoever copies it on


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _run(asked: Namespace, say: Say) -> int:
    data, to = settings.load().data_dir, Path(os.path.abspath(asked.folder))  # noqa: PTH100  # resolve() would follow links
    if not data.is_dir():
        raise StartFailure(
            ExitCode.DATA_DIR, f"There is nothing in {data} yet: set DATA_DIR to the service's data folder."
        )
    if to.exists():
        raise StartFailure(ExitCode.USAGE, f"{to} exists already: name a folder that does not.")
    if to.is_relative_to(data):
        raise StartFailure(
            ExitCode.USAGE, f"{to} lies in the data folder itself: name a folder elsewhere, best on another disk."
        )
    try:
        manifest = back_up(data, to)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise StartFailure(ExitCode.DATA_DIR, f"The copy was not made, and nothing is left of it: {why}.") from error
    sessions = sum(name.startswith("sessions/") and name.endswith(".db") for name in manifest.files)
    say(
        f"{to}: {sessions} sessions, {len(manifest.files)} files, {sum(manifest.files.values()) >> 10} KB. Keep it secret."
    )
    with suppress(OSError):
        if (data / "postgres").is_dir():
            say("The embedded database is not in it: docs/backup.md says how to save the record.")
    return ExitCode.STOPPED


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", help="where to; it must not exist yet")


COMMAND = Command(
    "backup",
    "copy sessions, spool and keys to a folder, while the service runs",
    ABOUT,
    _run,
    _arguments,
    {
        ExitCode.STOPPED: "done",
        ExitCode.USAGE: "a setting or the folder is wrong",
        ExitCode.DATA_DIR: "DATA_DIR cannot be read, or the folder cannot be written",
    },
)
"""The command `vigia backup FOLDER`."""
