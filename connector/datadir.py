"""The data folder: made private, proved writable, and held by one service at a time."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from loguru import logger

from connector.failures import ExitCode, StartFailure

NEEDED_BYTES = 64 * 1024 * 1024
"""Free space under which nothing is started: the sessions' own low-water mark would stop them at once."""
LOCK_NAME = "vigia.lock"
_PRIVATE = 0o700
_OPEN = 0o077
_NOT_OURS_TO_WRITE = (errno.EACCES, errno.EPERM, errno.EROFS)
_FULL = (errno.ENOSPC, errno.EDQUOT)


def free_bytes(path: Path) -> int:
    """Answer the bytes an ordinary user may still write where *path* lies."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


@dataclass(frozen=True, slots=True)
class DataDir:
    """Where things lie under the data folder; `path` is absolute."""

    path: Path

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.path / "logs"

    @property
    def api_key(self) -> Path:
        """The file with the generated API key."""
        return self.path / "api-key"

    @property
    def webhook_secret(self) -> Path:
        """The file with the generated secret that webhooks are signed with."""
        return self.path / "webhook-secret"

    @property
    def lock(self) -> Path:
        """The file whose lock says that a service uses this folder."""
        return self.path / LOCK_NAME


def prepare(path: Path, *, free: Callable[[Path], int] = free_bytes) -> DataDir:
    """Make the folder, close it to others, and prove that it can be written. Raises `StartFailure`."""
    try:
        _make_private(path)
        _prove_writable(path, free)
    except OSError as error:
        raise StartFailure(ExitCode.DATA_DIR, _sentence(path, error)) from error
    return DataDir(path)


def _make_private(path: Path) -> None:
    path.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    mode = path.stat().st_mode
    if not mode & _OPEN:
        return
    if mode & stat.S_ISVTX or not _ours_alone(path):
        raise StartFailure(
            ExitCode.DATA_DIR,
            f"DATA_DIR {path} is shared with other users or programs: choose a folder for this service alone, "
            f"for example DATA_DIR={path / 'vigia'}.",
        )
    with suppress(PermissionError):
        path.chmod(_PRIVATE)
    if path.stat().st_mode & _OPEN:  # a mount of another owner, or of a system without such rights
        logger.warning("DATA_DIR {} stays open to other users: this file system does not let us close it.", path)


def _ours_alone(path: Path) -> bool:
    """Tell whether closing *path* hurts nobody: a home folder named by mistake must stay as it is."""
    names = {entry.name for entry in path.iterdir()} - {"lost+found"}
    return not names or LOCK_NAME in names


def _prove_writable(path: Path, free: Callable[[Path], int]) -> None:
    probe = path / f".probe-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(b"\0" * 65_536)
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)
    if free(path) < NEEDED_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _sentence(path: Path, error: OSError) -> str:
    if error.errno in _FULL:
        return (
            f"The disk that holds DATA_DIR {path} is full: leave at least {NEEDED_BYTES // 2**20} MB free there, "
            "or set DATA_DIR to a folder on another disk."
        )
    if error.errno in _NOT_OURS_TO_WRITE:
        return f"DATA_DIR {path} cannot be written ({error.strerror}): give this user the folder, or set DATA_DIR to another one."
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"DATA_DIR {path} is, or leads through, a file: set DATA_DIR to the path of a folder."
    return f"DATA_DIR {path} cannot be used ({error.strerror}): set DATA_DIR to another folder."


def holder(data: DataDir) -> int:
    """Answer the process that holds the folder now: 0 while nobody does, -1 where it cannot be told. Touches nothing."""
    try:
        with data.lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _number(data.lock.read_bytes())
    except FileNotFoundError:
        return 0
    except OSError:
        return -1
    return 0


def _number(written: bytes) -> int:
    return int(written) if written.strip().isdigit() else -1


class FolderTaken(StartFailure):
    """Another service uses the folder: the process `holder`, -1 where it cannot be read."""

    def __init__(self, path: Path, holder: int) -> None:
        who = f"process {holder}" if holder > 0 else "process unknown"
        text = f"Another Vigia ({who}) already uses {path}: stop it, or set DATA_DIR to another folder."
        super().__init__(ExitCode.DATA_DIR, text)
        self.holder = holder


class DataDirLock:
    """Holds a data folder for this process until it ends, however it ends: the kernel gives the lock back."""

    def __init__(self, data: DataDir) -> None:
        self._data = data
        self._file = -1

    def __enter__(self) -> None:
        """Take the lock. Raises `FolderTaken`, or `StartFailure` where its file cannot be used."""
        try:
            file = os.open(self._data.lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StartFailure(
                ExitCode.DATA_DIR,
                f"{self._data.lock} cannot be used ({error.strerror}): give it to this user, or remove it.",
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            taken = FolderTaken(self._data.path, _number(os.read(file, 32)))
            os.close(file)
            raise taken from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        self._file = file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(
            self._file
        )  # the file stays: removing it would let a third start lock a name that is no longer this one
