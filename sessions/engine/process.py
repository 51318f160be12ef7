"""One worker process: started, spoken to, heard, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sessions import frames
from sessions.engine.channel import Channel
from sessions.engine.launch import Launch
from sessions.errors import SessionsError

READY_S = 60.0  # on a busy small machine the engine takes seconds to load
DRAIN_S = 6.0
KEPT_LINES = 60
LONGEST_LINE = 64 * 1024
FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP})  # no engine ends itself with these


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who hears what a worker says: notices, "there is something in the inbox", and the lines it prints."""

    notice: Callable[[frames.Notice], None]
    wake: Callable[[], None]
    line: Callable[[str, str], None]


class WorkerProcess:
    """A running worker. Make one with `start`; it is over when `wait` returns."""

    def __init__(self, name: str, process: Process, channel: Channel, inbox: Path, wake: socket.socket) -> None:
        self.name = name
        self.channel = channel
        self.inbox = inbox
        self.last_lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._process = process
        self._wake = wake
        self._draining: asyncio.Task[None] | None = None
        self._killed = False
        self._reaper: asyncio.Task[int]

    @classmethod
    async def start(cls, name: str, launch: Launch, hearing: Hearing) -> WorkerProcess:
        """Start a worker and wait until it is ready. Raises `WorkerGone` or `Deadline`; then nothing is left running."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        wake, ring = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.ExitStack() as unless_started:
            unless_started.callback(ours.close)
            unless_started.callback(wake.close)
            with theirs, ring:
                reader, writer = await asyncio.open_unix_connection(sock=ours)
                unless_started.callback(writer.close)
                # The last wait before the process has an owner: who is called away during it has the system end the process.
                process = await _spawn(launch, theirs.fileno(), ring.fileno())
            unless_started.pop_all()
        worker = cls(name, process, Channel(reader, writer, hearing.notice), launch.new_inbox(name), wake)
        worker._listen(hearing)
        try:
            await worker._configure(launch)
        except BaseException as error:
            await worker.kill()
            error.add_note("\n".join(worker.last_lines))
            raise
        return worker

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def killed_by_others(self) -> bool:
        """Whether it is over because somebody else ended it."""
        return self._process.returncode in FROM_OUTSIDE and not self._killed

    async def wait(self) -> int:
        """Wait until the process is over and everything it said was heard; answers its exit status."""
        return await asyncio.shield(self._reaper)

    def on_end(self, call: Callable[[], None]) -> None:
        """Have *call* made when it is over."""
        self._reaper.add_done_callback(lambda _done: call())

    async def kill(self) -> None:
        """End it now. The kernel gives its locks back."""
        if self._process.returncode is None:
            self._killed = True
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        await self.wait()

    async def drain(self) -> None:
        """Let it disconnect its sessions, write what is left, and exit; kill it when it does not. Asked again, it keeps its time."""
        if self._draining is None:
            self._draining = asyncio.create_task(self._ask_to_drain(), name=f"{self.name}-drain")
        await asyncio.shield(self._draining)
        await self.kill()

    async def _ask_to_drain(self) -> None:
        with contextlib.suppress(SessionsError, TimeoutError):
            await self.channel.ask(frames.Drain, deadline_s=DRAIN_S)
            await asyncio.wait_for(self._process.wait(), 1.0)

    async def _configure(self, launch: Launch) -> None:
        await self.channel.ask(
            frames.Configure,
            deadline_s=READY_S,
            name=self.name,
            inbox=str(self.inbox),
            low_water_bytes=launch.low_water_bytes,
            sync=launch.sync,
            lab=launch.lab.keys if launch.lab else None,
            threads=launch.threads,
        )

    def _listen(self, hearing: Hearing) -> None:
        self._wake.setblocking(False)
        asyncio.get_running_loop().add_reader(self._wake, self._woken, hearing.wake)
        tasks = [
            asyncio.create_task(self.channel.run(), name=f"{self.name}-channel"),
            asyncio.create_task(self._read_lines(hearing.line), name=f"{self.name}-lines"),
        ]
        self._reaper = asyncio.create_task(self._reap(tasks), name=f"{self.name}-reaper")

    async def _reap(self, tasks: list[asyncio.Task[None]]) -> int:
        """Outlives whoever waits: when the process is over, what belongs to it is closed."""
        try:
            status = await self._process.wait()
            await asyncio.wait(tasks, timeout=1.0)
            return status
        finally:
            for task in tasks:
                task.cancel()
            asyncio.get_running_loop().remove_reader(self._wake)
            self._wake.close()

    def _woken(self, wake: Callable[[], None]) -> None:
        try:
            while self._wake.recv(16):
                pass
        except OSError:
            pass
        wake()

    async def _read_lines(self, line: Callable[[str, str], None]) -> None:
        """Hear the engine's own prints. An overlong line is dropped: nothing we need is one."""
        output = self._process.stdout
        while output:
            try:
                raw = await output.readline()
            except ValueError:
                continue
            if not raw:
                return
            text = raw.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            line(self.name, text)


async def _spawn(launch: Launch, control: int, ring: int) -> Process:
    return await asyncio.create_subprocess_exec(
        *launch.command,
        *(str(control), str(ring)),
        pass_fds=(control, ring),
        env=launch.environment(),
        start_new_session=True,  # Ctrl-C in the terminal reaches the hub alone, which drains the workers
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LONGEST_LINE,
    )
