"""A real file system of a few megabytes for one service: a tmpfs that only its processes see."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_MOUNT = 'mount -t tmpfs -o "size=$1,mode=0700" small-disk "$2" && echo mounted && exec sleep infinity'
READY_S = 20.0
MB = 1 << 20


class SmallDisk:
    """Mounted at *place*, seen by programs that are started with `command`; others look into it under `inside`."""

    def __init__(self, place: Path, holder: int, enter: tuple[str, ...]) -> None:
        self.place = place
        self.command = (*enter, sys.executable, "-m", "connector", "serve")
        self._holder = holder
        self.inside = Path(f"/proc/{holder}/root{place}")
        self._stuffing = self.inside / "stuffing"

    @property
    def free(self) -> int:
        """Bytes that may still be written."""
        found = os.statvfs(self.inside)
        return found.f_bavail * found.f_frsize

    def stuff(self, *, leave: int) -> None:
        """Fill it up until no more than *leave* bytes are free."""
        with self._stuffing.open("ab") as file:
            while (more := self.free - leave) > 0:
                with suppress(OSError):  # somebody else took it first
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), more)

    async def hide(self, folder: Path) -> None:
        """Put an empty folder that nobody may write before *folder*, for the programs here; what they have open stays open."""
        await self._inside("mount", "-t", "tmpfs", "-o", "ro,size=4096", "hidden", str(folder))

    async def show(self, folder: Path) -> None:
        """End that."""
        await self._inside("umount", str(folder))

    async def _inside(self, *command: str) -> None:
        """Run a command as whoever mounted this."""
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        into = ("nsenter", "--target", str(self._holder), *user, "--mount", "--")
        ran = await asyncio.create_subprocess_exec(*into, *command, stderr=asyncio.subprocess.PIPE)
        _, said = await ran.communicate()
        if ran.returncode:
            raise RuntimeError(f"{command[0]} in the small disk's namespace: {said.decode().strip()}")

    def clear(self) -> None:
        """Take out everything that `stuff` put in."""
        self._stuffing.unlink()


@asynccontextmanager
async def small_disk(place: Path, size: int) -> AsyncGenerator[SmallDisk]:
    """Mount *size* bytes at the folder *place* in a namespace of their own, for as long as inside.

    Raises `RuntimeError`, with what to allow, where the system lets nobody do that.
    """
    root = os.geteuid() == 0
    # Without a user's namespace where there is no need of one: in it other users' sockets are closed even to root.
    unshare = ("unshare", *(() if root else ("--user", "--map-root-user")), "--mount", "sh", "-c", _MOUNT)
    holder = await asyncio.create_subprocess_exec(
        *(*unshare, "small-disk", str(size), str(place)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await _mounted(holder)
        yield SmallDisk(place, holder.pid, _into(holder.pid))
    finally:
        if holder.returncode is None:
            holder.kill()
        await holder.communicate()


def _into(holder: int) -> tuple[str, ...]:
    """The words before a command that sees what *holder* sees, run by the user who runs this."""
    target = ("nsenter", "--target", str(holder))
    if os.geteuid() == 0:
        return (*target, "--mount", "--")
    # Who mounts is root there, and a service that is root would run its database as somebody else, whom that place does not know.
    self = ("unshare", "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}", "--")
    return (*target, "--user", "--mount", "--preserve-credentials", "--", *self)


async def _mounted(holder: asyncio.subprocess.Process) -> None:
    assert holder.stdout
    assert holder.stderr
    async with asyncio.timeout(READY_S):
        if await holder.stdout.readline() != b"mounted\n":
            said = (await holder.stderr.read()).decode().strip()
            raise RuntimeError(f"A small disk needs mount namespaces (root, or unprivileged user namespaces): {said}")
