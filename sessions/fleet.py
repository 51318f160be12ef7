"""The many: every session there is, what may be done with each, and their pairings."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from sessions import frames
from sessions.engine import Ears, Engine, Launch, WorkerView
from sessions.engine.keeper import Budget
from sessions.engine.reach import Reach
from sessions.errors import AlreadyConnected, Busy, NotConnected, SessionsError, UnknownSession
from sessions.model import Loss, Outcome, SessionId
from sessions.news import Lost, LowDisk, News
from sessions.pairing import Code
from sessions.pairings import Ask, Pairings
from sessions.ports import Changed, SessionView, Tools, Truth
from sessions.register import Record, Register
from sessions.scribe import Scribe
from sessions.session import Session
from sessions.state import NEVER_LINKED, Reason, State
from sessions.turns import Turns

SEND_S = 20.0
CODE_WAIT_S = 20.0
LOGIN_S = 8.0  # how long one that is logging in is waited for before it is logged out
FORGIVEN_S = 86_400.0
"""One that ends its worker is tried every half hour, and isolated again: so long without that, it is cured."""


def nobody(_session: SessionId, _before: State, _now: State) -> None:
    """Take no note of a change."""


def unshown(_session: SessionId, _code: Code) -> None:
    """Take no note of a code."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a fleet runs. `changed` is told of each session's changes, `coded` of each code to scan, `line` hears what workers print."""

    per_worker: int = 25
    max_pairings: int = 4
    budget: Budget | None = None
    changed: Changed = nobody
    coded: Callable[[SessionId, Code], None] = unshown
    line: Callable[[str, str], None] = lambda worker, text: logger.debug("{}: {}", worker, text)
    clock: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random


class Fleet:
    """All sessions under one data folder. `start` before use, `stop` at the end; in between everything is by session id."""

    def __init__(self, data: Path, launch: Launch, options: Options | None = None) -> None:
        self._options = options or Options()
        self.register = Register(data / "sessions")
        launch.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.spool = launch.spool
        self.rung = asyncio.Event()
        self._lab = launch.lab is not None
        self._sessions: dict[SessionId, Session] = {}
        self._parting: set[SessionId] = set()  # being unlinked or removed
        self._scribe = Scribe(self.register.save)
        self.engine = Engine(launch, self._ears(), per_worker=self._options.per_worker, budget=self._options.budget)
        self._pairings = Pairings(
            self.engine, self.register, most=self._options.max_pairings, coded=self._options.coded
        )
        self._tools = Tools(
            engine=self.engine,
            reachable=Reach(launch.proxy()),
            turn=Turns().take,
            register=self.register,
            keep=self._scribe.keep,
            changed=self._options.changed,
            clock=self._options.clock,
            chance=self._options.chance,
        )

    async def start(self) -> None:
        """Bring every paired session back that was not stopped by hand. One whose record is damaged keeps no other from it."""
        for record in self.register.load(unreadable=lambda error: logger.critical("{}", error)):
            session = self._sessions[record.id] = Session(record, self._tools)
            if record.reason == Reason.ISOLATED.code and self._options.clock() - record.since < FORGIVEN_S:
                self.engine.isolate(record.id)
            if record.paired and record.wanted:
                session.start()

    async def stop(self) -> None:
        """Drain everything: pairings end, workers disconnect and write what they hold. The sessions' wishes stay."""
        await self._pairings.stop()
        await asyncio.gather(*(session.stop(reason=None) for session in self._sessions.values()))
        await self.engine.stop()
        await self._scribe.stop()

    def create(self) -> SessionId:
        """Make a new session without credentials. It is on disk when this returns: who asked will keep its name."""
        session = SessionId(str(uuid.uuid4()))
        record = Record(id=session, since=self._options.clock())
        self.register.save(record)
        self._sessions[session] = Session(record, self._tools)
        return session

    def view(self, session: SessionId) -> SessionView:
        """Answer how a session is. Raises `UnknownSession`."""
        one = self._session(session)
        _worker, told, age = self.engine.health(session)
        return SessionView(
            id=one.id,
            state=one.state,
            identity=one.record.identity,
            silent_s=told.heard_s + age if told else None,
            retry_in_s=one.retry_in_s,
            lab=self._lab,
            trying_s=one.trying_s,
            phone_seen_at=one.record.phone_seen_at if one.record.paired else None,
            hangs=one.hangs,
            phone_told_days=one.record.phone_told_days,
        )

    def truth(self, session: SessionId) -> Truth:
        """Answer what is known of a session from facts alone. Raises `UnknownSession`."""
        view = self.view(session)
        worker, told, age = self.engine.health(session)
        if worker is None:
            return Truth(view)
        if told is None:
            return Truth(view, worker.name, worker.up)
        return Truth(
            view,
            worker.name,
            worker.up,
            as_of_s=age,
            pump=told.pump,
            socket=told.socket,
            logged_in=told.logged_in,
            heard_s=told.heard_s,
            event_s=told.event_s,
            sent_s=told.sent_s,
            keepalive_errors=told.keepalive_errors,
        )

    def snapshot(self) -> list[SessionView]:
        """Answer how every session is."""
        return [self.view(session) for session in self._sessions]

    @property
    def pairings(self) -> int:
        """How many pairings are under way."""
        return len(self._pairings)

    def workers(self) -> list[WorkerView]:
        """Answer how every resident worker is."""
        return self.engine.workers()

    async def qr(self, session: SessionId, wait_s: float = CODE_WAIT_S) -> Code:
        """Answer a code to scan, beginning a pairing if none is under way.

        Raises `AlreadyConnected`, `Busy`, `PairingEnded`, `TimeoutError`, or why the pairing could not begin.
        """
        return await self._while_pairing(session, lambda pairing: pairing.qr(wait_s))

    async def pair_code(self, session: SessionId, phone: str, wait_s: float = CODE_WAIT_S) -> Code:
        """Answer a code to type on *phone* (digits only). Raises as `qr`, and `EngineRefused`."""
        return await self._while_pairing(session, lambda pairing: pairing.code(phone, wait_s))

    async def send(self, session: SessionId, ref: str, to: str, text: str, *, deadline_s: float = SEND_S) -> Outcome:
        """Send a text to the JID *to*; *ref* is the caller's name of it. Raises `NotConnected`, `Busy`, `UnknownSession`."""
        state = self._session(session).state
        if state.reason is not Reason.CONNECTED:
            raise NotConnected(state.sentence("en"))
        return await self.engine.send(session, ref, to, text, deadline_s=deadline_s)

    async def on_whatsapp(self, session: SessionId, phone: str) -> str | None:
        """Answer the JID that *phone* (digits only) answers to, or None. Raises `NotConnected`."""
        if self._session(session).state.reason is not Reason.CONNECTED:
            raise NotConnected
        return await self.engine.on_whatsapp(session, phone)

    async def disconnect(self, session: SessionId) -> None:
        """Stop a session, or its pairing; a paired one stays paired."""
        await self._pairings.end(session)
        await self._session(session).stop()

    def connect(self, session: SessionId) -> None:
        """Connect a paired session again, also one that waits for its next try; one that is being tried goes on,
        unless its try hangs.

        Raises `NotConnected` without credentials, `Busy` while it is being unlinked.
        """
        one = self._session(session)
        self._require_staying(session)
        if not one.record.paired:
            raise NotConnected(one.state.sentence("en"))
        if one.state.reason is Reason.CRASH_LOOP:
            self.revive()
        else:
            one.start()

    def phone_told(self, session: SessionId, days: int) -> None:
        """Note that somebody was told that a session's phone was not seen for so many days. Raises `UnknownSession`."""
        self._session(session).phone_told(days)

    def recycle(self, why: str) -> None:
        """Replace every worker by a new one, drained: its sessions connect again."""
        self.engine.recycle_all(why)

    def revive(self) -> None:
        """Start again the workers that were given up after too many crashes, with every session they had."""
        self.engine.revive()
        for one in self._sessions.values():
            if one.state.reason is Reason.CRASH_LOOP:
                one.start()

    async def logout(self, session: SessionId) -> bool:
        """Unlink a session; answers whether WhatsApp confirmed it. If not, the phone still lists the device.

        Raises `NotConnected` when no phone is linked; a pairing under way ends all the same.
        """
        one = self._session(session)
        with self._leaving(session):
            await self._pairings.end(session)
            if not one.record.paired:
                raise NotConnected(one.state.sentence("en"))
            return await self._unlinked(one)

    async def remove(self, session: SessionId) -> bool:
        """Unlink a session and delete its files; answers whether WhatsApp confirmed the logout (True when there was none to make)."""
        one = self._session(session)
        with self._leaving(session):
            await self._pairings.end(session)
            confirmed = await self._unlinked(one) if one.record.paired else True
            await one.stop()
            await self._scribe.drop(session)
            del self._sessions[session]
            self.engine.forgive(session)
            self.register.remove(session)
            return confirmed

    async def remove_unpaired(self, session: SessionId) -> bool:
        """Delete a session that has no credentials and is not being paired; answers whether it was such a one."""
        one = self._session(session)
        if one.record.paired or session in self._pairings or one.state.reason not in NEVER_LINKED:
            return False
        await self.remove(session)
        return True

    def discard(self, session: SessionId) -> None:
        """Delete the files of a session whose record could not be read. One that is known is for `remove`."""
        if session not in self._sessions:
            self.register.remove(session)

    async def end_pairing(self, session: SessionId) -> None:
        """Break a pairing off, if there is one under way; a session that is linked goes on."""
        await self._pairings.end(session)

    async def _unlinked(self, one: Session) -> bool:
        confirmed = await self._unlink(one)
        await one.stop()
        if one.record.paired:
            one.forget()
        # Somebody asked for it. Where WhatsApp did not confirm, the next scan must not find the old account here.
        self.register.erase_credentials(one.id)
        return confirmed

    @contextmanager
    def _leaving(self, session: SessionId) -> Generator[None]:
        """Nobody connects or pairs *session* meanwhile: its files are about to go."""
        self._require_staying(session)
        self._parting.add(session)
        try:
            yield
        finally:
            self._parting.discard(session)

    def _require_staying(self, session: SessionId) -> None:
        if session in self._parting:
            raise Busy("This session is being unlinked: try again in a moment.")

    def _session(self, session: SessionId) -> Session:
        if session not in self._sessions:
            raise UnknownSession
        return self._sessions[session]

    async def _unlink(self, session: Session) -> bool:
        with suppress(
            TimeoutError
        ):  # scanned this moment, say: WhatsApp confirms a logout only to one that is logged in
            await asyncio.wait_for(session.started(), LOGIN_S)
        try:
            await self.engine.logout(session.id)
        except SessionsError as error:
            logger.warning("Session {} could not be logged out at WhatsApp: {}", session.id, error.code)
            return False
        return True

    async def _while_pairing(self, session: SessionId, ask: Ask) -> Code:
        await self._pairings.gone(session)
        one = self._session(session)
        self._require_staying(session)
        if one.record.paired:
            raise AlreadyConnected(one.state.sentence("en"))
        return await self._pairings.ask(one, ask)

    def _ears(self) -> Ears:
        return Ears(
            notice=self._on_notice,
            lost=self._on_lost,
            low_disk=self._on_low_disk,
            wake=self.rung.set,
            line=self._options.line,
        )

    def _on_notice(self, session: SessionId, notice: frames.Notice) -> None:
        if session in self._sessions:
            self._sessions[session].hear(notice)

    def _on_lost(self, sessions: list[SessionId], loss: Loss) -> None:
        self._tell(sessions, Lost(loss))

    def _on_low_disk(self, sessions: list[SessionId], full: bool) -> None:
        why = "The disk is nearly full" if full else "A worker can write nothing down"
        logger.error("{}: {} sessions were disconnected; look at the disk", why, len(sessions))
        self._tell(sessions, LowDisk(full))

    def _tell(self, sessions: list[SessionId], news: News) -> None:
        for session in sessions:
            if session in self._sessions:
                self._sessions[session].hear(news)
