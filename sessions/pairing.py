"""Linking a phone: a throw-away worker shows codes while somebody asks for them, and hands the credentials over when one was scanned.

A failed pairing leaves a thread in the engine that never ends: it goes with its process. Nothing is erased when a pairing ends:
if the phone confirmed in the last moment the credentials are there, and the next attempt connects with them. From the moment that
the engine says whose account it is, the phone lists the device: however the pairing ends then, the session is linked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from sessions import frames
from sessions.engine.process import WorkerProcess
from sessions.errors import AlreadyConnected, EngineRefused, Locked, PairingEnded
from sessions.model import Identity, Life, SessionId, Sign
from sessions.state import Reason, State

ASKED_S = 60.0  # nobody asked for so long: the pairing ends
FIRST_CODE_S, NEXT_CODE_S = 60.0, 20.0  # how long WhatsApp accepts the first code and each further one
CODE_S = 160.0  # how long a pairing code for typing is accepted
LINK_S = 60.0  # from the scan to the connection
QUIET_S = 1.0  # without news for so long after connecting, the session moves house
LONGEST_NOISE_S = 10.0  # a busy phone writes on: then it moves all the same
OPEN_S = 10.0
LOCKED_S, LOCKED_PAUSE_S = 15.0, 0.1

UNREACHABLE = "WhatsApp cannot be reached: check the network, then ask for a new code."
FAULT = "The engine ended the pairing: ask for a new code."

Throwaway = Callable[[SessionId, Callable[[frames.Notice], None]], Awaitable[WorkerProcess]]


@dataclass(frozen=True, slots=True)
class Code:
    """A code to scan (or to type), until when (unix seconds), and the how-manieth of this pairing. A secret."""

    text: str
    expires_at: float
    attempt: int


class Pairing:
    """One attempt to link a phone. `run` carries it through; meanwhile `qr` and `code` answer what to show."""

    def __init__(
        self,
        session: SessionId,
        database: Path,
        throwaway: Throwaway,
        move: Callable[[Reason], None],
        coded: Callable[[Code], None] = lambda _code: None,
    ) -> None:
        """*coded* is told of each code to scan."""
        self._session = session
        self._database = database
        self._throwaway = throwaway
        self._move = move
        self._coded = coded
        self._worker: WorkerProcess | None = None
        self._code: Code | None = None
        self._typed: tuple[str, Code] | None = None
        self._typing = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._over: Reason | None = None
        self._asked_at = time.monotonic()
        self._identity: Identity | None = None
        self._linked_by: float | None = None  # monotonic
        self._sentence: str | None = None
        self._begun = False
        self._connected = False
        self._cut_off = False
        self._news: asyncio.Queue[frames.Notice] = asyncio.Queue(1000)

    @property
    def ended(self) -> bool:
        """Whether it came to nothing, and only its worker has still to go."""
        return self._over not in (None, Reason.LINKING)

    @property
    def linked(self) -> Identity | None:
        """Whose credentials are in hand; after `run` they are free to be used, also where it was called off."""
        return self._identity

    async def run(self) -> Identity:
        """Carry the pairing through to credentials that are free to be used.

        Raises `PairingEnded` with the sentence why, `DiskFull`, `Locked` or `WorkerGone`.
        """
        try:
            self._worker = await self._throwaway(self._session, self._news.put_nowait)
            self._worker.on_end(lambda: self._news.put_nowait(frames.Ended(session=self._session, error="engine")))
            await self._open(self._worker)
            await self._until_linked()
            await self._until_quiet()
            if self._identity is None:
                raise PairingEnded
            return self._identity
        finally:
            try:
                await self._end(Reason.LINKING if self._identity else Reason.PAIRING_ENDED)
            finally:
                if self._worker:
                    await self._let_go(self._worker)

    async def qr(self, wait_s: float) -> Code:
        """Answer the code to scan now, waiting up to *wait_s* for one.

        Raises `AlreadyConnected` once a phone confirmed it, `PairingEnded` or `TimeoutError`.
        """
        self._asked_at = max(self._asked_at, time.monotonic())
        async with asyncio.timeout(wait_s):
            async with self._changed:
                await self._changed.wait_for(lambda: self._over or self._identity or self._fresh())
        if self.ended:
            raise PairingEnded(self._sentence)
        if self._identity or self._code is None:
            raise AlreadyConnected
        return self._code

    async def code(self, phone: str, wait_s: float) -> Code:
        """Answer the code to type on *phone* (digits only); asked again, the same. Raises as `qr`, and `EngineRefused`."""
        shown = await self.qr(wait_s)  # the engine gives a typed code only once it shows a scanned one
        async with self._typing:
            if self._typed and self._typed[0] == phone and self._typed[1].expires_at > time.time():
                return self._typed[1]
            if self._worker is None:
                raise PairingEnded
            reply = await self._worker.channel.ask(
                frames.PairCode, deadline_s=wait_s, session=self._session, phone=phone
            )
            if not reply.text:
                raise EngineRefused
            self._asked_at = time.monotonic() + CODE_S - ASKED_S  # who types it has no reason to ask meanwhile
            self._typed = phone, Code(reply.text, time.time() + CODE_S, shown.attempt)
            return self._typed[1]

    async def _open(self, worker: WorkerProcess) -> None:
        """Open the session; its worker of before may still be letting go of the file."""
        until = time.monotonic() + LOCKED_S
        while True:
            try:
                await worker.channel.ask(
                    frames.Open, deadline_s=OPEN_S, session=self._session, path=str(self._database)
                )
            except Locked:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(LOCKED_PAUSE_S)
            else:
                return

    def _fresh(self) -> bool:
        return self._code is not None and self._code.expires_at > time.time()

    async def _until_linked(self) -> None:
        """Hear news until the session is connected; leave when it failed or nobody asks any more.

        A phone that confirmed is linked, also where WhatsApp cannot be reached just then: the session tries on by itself.
        """
        while not (self._identity and (self._connected or self._cut_off)):
            patience = max(0.0, (self._linked_by or self._asked_at + ASKED_S) - time.monotonic())
            try:
                async with asyncio.timeout(patience + 0.1):  # not wait_for, which may lose a cancellation to news
                    news = await self._news.get()
            except TimeoutError:
                if self._linked_by:
                    return
                if time.monotonic() - self._asked_at >= ASKED_S:
                    await self._fail(Reason.PAIRING_ENDED)
                continue
            if self._linked_by and time.monotonic() > self._linked_by:
                return
            await self._take(news)

    async def _take(self, news: frames.Notice) -> None:
        match news:
            case frames.Qr():
                await self._show(news.code)
            case frames.LoginStatus():
                await self._status(news.status)
            case frames.Alive():
                await self._alive(news.life)
            case frames.Ended():
                await self._cut(Reason.PAIRING_ENDED, UNREACHABLE if news.error == "unreachable" else FAULT)
            case frames.LowDisk():
                await self._cut(Reason.PAIRING_ENDED)
            case frames.Probed() | frames.PhoneSeen():
                pass

    async def _show(self, code: str) -> None:
        attempt = self._code.attempt + 1 if self._code else 1
        life = FIRST_CODE_S if attempt == 1 else NEXT_CODE_S
        if attempt == 1:
            self._begin(Reason.WAITING_SCAN)
        async with self._changed:
            self._code = Code(code, time.time() + life, attempt)
            self._changed.notify_all()
        self._coded(self._code)

    def _begin(self, reason: Reason) -> None:
        self._begun = True
        self._move(reason)

    async def _status(self, status: str) -> None:
        """What the engine says of the login: values of whatsmeow's QR channel, passkeys among those neonize has no event for."""
        if "passkey" in status:
            await self._fail(Reason.PASSKEY_REQUIRED)
        elif status == "err-client-outdated":
            await self._fail(Reason.OUTDATED)
        elif status != "success":
            logger.info("Pairing of {} ended: {}", self._session, status[:40])
            await self._fail(Reason.PAIRING_ENDED)

    async def _alive(self, life: Life) -> None:
        match life.sign:
            case Sign.IDENTITY:
                self._begin(Reason.LINKING)
                self._linked_by = self._linked_by or time.monotonic() + LINK_S
                self._identity = life.identity
                async with self._changed:
                    self._changed.notify_all()
            case Sign.CONNECTED:
                self._connected = True
            case Sign.OUTDATED:
                await self._cut(Reason.OUTDATED)
            case Sign.CONNECT_FAILURE | Sign.BANNED:
                await self._cut(Reason.PAIRING_ENDED)
            case Sign.PAIR_FAILED | Sign.LOGGED_OUT:
                await self._fail(Reason.PAIRING_ENDED)
            case _:
                pass

    async def _until_quiet(self) -> None:
        """Wait for a moment without news: what a new device is sent first is written down where it arrived."""
        since = time.monotonic()
        while not self._cut_off and time.monotonic() - since < LONGEST_NOISE_S:
            try:
                async with asyncio.timeout(QUIET_S):
                    news = await self._news.get()
            except TimeoutError:
                break
            await self._take(news)

    async def _let_go(self, worker: WorkerProcess) -> None:
        """End the worker. One with credentials disconnects and writes everything down before: the file is free."""
        try:
            if self._identity:
                await worker.drain()
        finally:
            await worker.kill()

    async def _cut(self, reason: Reason, sentence: str | None = None) -> None:
        """The connection came to nothing: with credentials in hand the session tries on by itself, without them it is over."""
        if self._identity is None:
            await self._fail(reason, sentence)
        self._cut_off = True

    async def _fail(self, reason: Reason, sentence: str | None = None) -> None:
        self._identity = None  # the credentials are worth nothing, if there were any
        self._sentence = sentence or State(reason).sentence("en")
        await self._end(reason)
        raise PairingEnded(self._sentence)

    async def _end(self, reason: Reason) -> None:
        """Move, then wake whoever waits for a code. A pairing that never showed one leaves its session's state as it was."""
        if self._over is not None:
            return
        self._over = reason
        try:
            if self._begun or reason is not Reason.PAIRING_ENDED:
                self._move(reason)  # before anything is waited for: who is called off here has moved
        finally:
            async with self._changed:
                self._changed.notify_all()
