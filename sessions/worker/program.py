"""The worker from its first frame to its exit."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from sessions import frames
from sessions.errors import FixUs, NotConnected
from sessions.inbox import InboxWriter
from sessions.model import Words
from sessions.worker import budgets, lab_mode
from sessions.worker.host import Host
from sessions.worker.journal import Journal, Translate
from sessions.worker.library import Library
from sessions.worker.link import Link
from sessions.worker.probe import Prober

ANSWERS_S = (
    0.5  # how long sends under way may still be answered after the hub is gone: an unanswered one is unknown for ever
)
LAST_WORDS_S = 1.0  # how long events are still written after that
FLUSH_S = 2.0


class Program:
    """One worker process. Ends with `os._exit`: the engine's threads would hold a clean exit up for ever."""

    def __init__(self, link: Link, library: Library, wake: int, translate: Translate) -> None:
        self._link = link
        self._library = library
        self._wake = wake
        self._translate = translate
        self._leaving = False

    async def run(self) -> None:
        """Take the configuration, serve until the hub is gone or asks to drain, exit."""
        configure = await self._link.first()
        if not isinstance(configure, frames.Configure):
            raise FixUs("a worker's first frame must configure it")
        if configure.lab:
            lab_mode.trust(bytes.fromhex(configure.lab.root_key), self._library.path)
        self._start(configure)
        prober = asyncio.create_task(Prober(self._host, self._link.tell).run(), name="prober")
        self._link.tell(frames.Reply(id=configure.id, health=self._health()))
        await self._link.serve(self._handle)
        prober.cancel()
        await self._hub_gone()

    def _start(self, configure: frames.Configure) -> None:
        self._loop = asyncio.get_running_loop()
        self._inbox = InboxWriter(
            Path(configure.inbox),
            low_water_bytes=configure.low_water_bytes,
            sync="full" if configure.sync == "full" else "normal",
            wake=self._ring,
            on_low=lambda: self._on_refused(True),
        )
        self._journal = Journal(self._inbox, self._translate, self._notify, on_failure=self._on_refused)
        self._host = Host(self._library, self._journal, self._link.tell, configure.lab, threads=configure.threads)
        self._disk_task: asyncio.Task[None] | None = None

    async def _handle(self, request: frames.AnyRequest) -> frames.Reply:
        if self._leaving:
            raise NotConnected
        match request:
            case frames.Open():
                return await self._host.open(request)
            case frames.Close():
                return await self._host.close(request)
            case frames.Logout():
                return await self._host.logout(request)
            case frames.Send():
                return await self._host.send(request)
            case frames.PairCode():
                return await self._host.pair_code(request)
            case frames.OnWhatsApp():
                return await self._host.on_whatsapp(request)
            case frames.Ping():
                return frames.Reply(id=request.id, health=self._health())
            case frames.Drain():
                return await self._drain(request)
            case frames.Configure():
                raise FixUs("this worker is configured already")

    def _notify(self, session: str, words: Words) -> None:
        """On an engine thread: pass it to the loop."""
        self._loop.call_soon_threadsafe(self._host.on_words, session, words)

    def _ring(self) -> None:
        """Wake the hub's reader; when its queue is full a wake is pending anyway."""
        try:
            os.write(self._wake, b"\0")
        except OSError:
            return

    def _on_refused(self, full: bool) -> None:
        """On any thread."""
        self._loop.call_soon_threadsafe(self._refused, full)

    def _refused(self, full: bool) -> None:
        """Disconnect everything while what the engine holds can still be written; WhatsApp keeps the rest."""
        if self._leaving:
            return  # all are being disconnected anyway, and a row that comes too late for a closed inbox is no full disk
        if self._disk_task is None or self._disk_task.done():
            self._disk_task = self._loop.create_task(self._host.disconnect_all(), name="disk-low")
            self._link.tell(frames.LowDisk(full=full))

    def _health(self) -> frames.Health:
        return frames.Health(
            pid=os.getpid(),
            rss_bytes=budgets.rss_bytes(),
            descriptors=budgets.descriptors(),
            descriptor_limit=budgets.descriptor_limit(),
            threads=budgets.threads(),
            oldest_call_s=self._host.calls.oldest_s,
            sessions={session: seat.health() for session, seat in self._host.seats.items()},
            rows=dict(self._journal.rows),
            untranslated=self._journal.untranslated,
        )

    async def _drain(self, request: frames.Drain) -> frames.Reply:
        """Leave nothing behind, say so, exit."""
        self._leaving = True
        await self._host.disconnect_all()
        self._inbox.close()
        self._link.tell(frames.Reply(id=request.id, health=self._health()))
        await self._link.flush(FLUSH_S)
        os._exit(0)

    async def _hub_gone(self) -> None:
        """Nobody listens any more: hear how sends under way end, disconnect, keep what still comes for a second, exit.

        The kernel gives the locks back.
        """
        self._leaving = True
        silence_output()
        await self._host.sends_answered(ANSWERS_S)
        leaving = time.monotonic() + LAST_WORDS_S
        disconnecting = asyncio.create_task(self._host.disconnect_all(), name="last-words")
        await asyncio.wait({disconnecting}, timeout=LAST_WORDS_S)
        await asyncio.sleep(max(0.0, leaving - time.monotonic()))
        os._exit(0)


def silence_output() -> None:
    """Point the standard streams at nothing: a line of the engine's own into a closed pipe would end the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
