"""The sessions of one worker, and what the hub may ask of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sessions import frames
from sessions.errors import Busy, EngineRefused, FixUs, SendError, SessionsError, UnknownSession
from sessions.locks import FileLock
from sessions.model import Life, Message, Outcome, Receipt, SendStatus, Sign, Words
from sessions.worker import to_whatsapp
from sessions.worker.calls import Calls
from sessions.worker.client import Callbacks, Client, End
from sessions.worker.gate import Gate
from sessions.worker.journal import Journal
from sessions.worker.library import Library

MAX_TURNS = 1000  # sends of one session that may wait for their turn

ENGINE_SEND_S = 200.0  # the engine's own waits end before this: 75 s each for addresses, keys and the answer

PHONE_TOLD_S = 900.0  # a phone that is used is told of so often, not at each of its receipts

_PEOPLE = frozenset({"s.whatsapp.net", "lid"})
"""The servers of addresses that are one person's."""

_SOCKET = {
    Sign.CONNECTED: True,
    Sign.DISCONNECTED: False,
    Sign.LOGGED_OUT: False,
    Sign.REPLACED: False,
    Sign.BANNED: False,
    Sign.OUTDATED: False,
    Sign.CONNECT_FAILURE: False,
}
_LOGGED_IN = {**_SOCKET, Sign.STREAM_ERROR: False}  # the engine then forgets its login, and leaves the socket open

Tell = Callable[[frames.Notice], None]


class Seat:
    """One session's place in this worker: its lock, its client, its line of sends."""

    def __init__(self, client: Client, lock: FileLock) -> None:
        self.client = client
        self.lock = lock
        self.online = False
        self.logged_in = False
        self.keepalive_errors = 0
        self.user: frozenset[str] = frozenset()  # the account's own names
        self.phone_told = float("-inf")  # monotonic
        self.deaf = False  # it was told that this session does not answer
        self.turn = asyncio.Lock()  # first come, first served: texts to one chat keep their order
        self.waiting = 0

    def take(self, life: Life) -> None:
        """Note what a sign of life says about the connection."""
        self.online = _SOCKET.get(life.sign, self.online)
        self.logged_in = _LOGGED_IN.get(life.sign, self.logged_in)
        if life.sign is Sign.KEEPALIVE_TIMEOUT:
            self.keepalive_errors += 1
        elif life.sign in (Sign.KEEPALIVE_RESTORED, Sign.CONNECTED):
            self.keepalive_errors = 0
        if life.identity:
            named = filter(None, (life.identity.jid, life.identity.lid))
            self.user = frozenset(_user(name) for name in named)

    def health(self) -> frames.SessionHealth:
        """Answer how the session is, as far as this process knows."""
        client = self.client
        return frames.SessionHealth(
            pump=client.running,
            socket=self.online,
            logged_in=self.logged_in,
            heard_s=client.silent_s,
            event_s=client.since(client.last_event),
            sent_s=client.since(client.last_sent),
            keepalive_errors=self.keepalive_errors,
        )


def _user(jid: str) -> str:
    """A name without its device: "5511...:3@s.whatsapp.net" is "5511...@s.whatsapp.net"."""
    user, _, server = jid.partition("@")
    return f"{user.partition(':')[0]}@{server}"


class Host:
    """Opens, closes and serves the sessions of this process."""

    def __init__(
        self, library: Library, journal: Journal, tell: Tell, lab: frames.LabKeys | None, *, threads: int | None = None
    ) -> None:
        self._library = library
        self._journal = journal
        self._tell = tell
        self._lab = lab
        self._gate = Gate()
        self.calls = Calls(self._gate, threads)
        self._starts = asyncio.Lock()
        self.seats: dict[str, Seat] = {}
        self._gone: list[Client] = []  # the engine may hold pointers into them for as long as this process lives
        self._callbacks = Callbacks(
            event=journal.event,
            qr=lambda session, code: tell(frames.Qr(session=session, code=code)),
            login_status=lambda session, status: tell(frames.LoginStatus(session=session, status=status)),
            ended=self._on_ended,
        )

    def on_words(self, session: str, words: Words) -> None:
        """Pass on what the hub has to know at once. On the loop."""
        if isinstance(words, Life):
            self.on_life(session, words)
        elif isinstance(words, Message | Receipt):
            self.on_phone(session, words)

    def on_life(self, session: str, life: Life) -> None:
        """Pass a sign of life on. On the loop."""
        seat = self.seats.get(session)
        if seat:
            seat.take(life)
        self._tell(frames.Alive(session=session, life=life))

    def on_phone(self, session: str, words: Message | Receipt) -> None:
        """Tell now and then that the account's own phone lives. On the loop."""
        seat = self.seats.get(session)
        if seat is None or seat.user.isdisjoint((words.sender.jid, words.sender.alt)):
            return
        now = time.monotonic()
        if now - seat.phone_told > PHONE_TOLD_S:
            seat.phone_told = now
            self._tell(frames.PhoneSeen(session=session, at_ms=words.at_ms))

    async def open(self, request: frames.Open) -> frames.Reply:
        """Take the session's lock and start it; starts go one at a time."""
        if request.session in self.seats:
            return frames.Reply(id=request.id)
        path = Path(request.path)
        lock = FileLock(path.with_suffix(".lock"))
        lock.take()
        client = Client(
            request.session, path, library=self._library, calls=self.calls, callbacks=self._callbacks, lab=self._lab
        )
        self.seats[request.session] = Seat(client, lock)
        async with self._starts:
            await client.open(self._gate, deadline_s=request.deadline_s)
        return frames.Reply(id=request.id)

    async def close(self, request: frames.Close) -> frames.Reply:
        """End a session and give its file back."""
        seat = self.seats.get(request.session)
        if seat:
            await seat.client.close()
            self._vacate(request.session, seat)
        return frames.Reply(id=request.id)

    async def logout(self, request: frames.Logout) -> frames.Reply:
        """Unlink the device at WhatsApp."""
        await self._client(request.session).logout(deadline_s=request.deadline_s)
        return frames.Reply(id=request.id)

    async def pair_code(self, request: frames.PairCode) -> frames.Reply:
        """Ask WhatsApp for a pairing code."""
        code = await self._client(request.session).pair_code(request.phone, deadline_s=request.deadline_s)
        return frames.Reply(id=request.id, text=code)

    async def on_whatsapp(self, request: frames.OnWhatsApp) -> frames.Reply:
        """Ask whether a number has an account."""
        jid = await self._client(request.session).on_whatsapp(request.phone, deadline_s=request.deadline_s)
        return frames.Reply(id=request.id, text=jid)

    async def send(self, request: frames.Send) -> frames.Reply:
        """Send a text. The outcome is in the inbox before it is answered, and a late one still gets there."""
        outcome = await self._send(request)
        return frames.Reply(id=request.id, outcome=outcome)

    async def disconnect_all(self) -> None:
        """Disconnect every session and wait until the engine has handed over what it holds."""
        seats = list(self.seats.values())
        for seat in seats:
            seat.online = seat.logged_in = False  # the engine says nothing of a disconnect that was asked for
        await asyncio.gather(
            *(seat.client.disconnect() for seat in seats if seat.client.running), return_exceptions=True
        )

    async def sends_answered(self, within_s: float) -> None:
        """Wait until no send is under way, for *within_s* at most."""

        async def over(turn: asyncio.Lock) -> None:
            async with turn:
                return

        lines = [over(seat.turn) for seat in self.seats.values() if seat.turn.locked()]
        await _within(asyncio.gather(*lines), asyncio.get_running_loop().time() + within_s)

    async def _send(self, request: frames.Send) -> Outcome:
        seat = self._seat(request.session)
        if seat.waiting >= MAX_TURNS:
            raise Busy
        to, message = to_whatsapp.jid_bytes(request.to), to_whatsapp.text_message(request.text)
        until = asyncio.get_running_loop().time() + request.deadline_s
        seat.waiting += 1
        try:
            if not await _within(seat.turn.acquire(), until):
                return await self._keep(request, SendStatus.FAILED, SendError.NOT_BEGUN)
        finally:
            seat.waiting -= 1
        return await self._send_now(seat, request, to, message, until)

    async def _send_now(self, seat: Seat, request: frames.Send, to: bytes, message: bytes, until: float) -> Outcome:
        # The turn ends with the engine's call, not with our waiting for it: the engine sends one at a time anyway.
        sending = asyncio.ensure_future(self._through_the_engine(seat, request, to, message))
        sending.add_done_callback(lambda done: (seat.turn.release(), done.cancelled() or done.exception()))
        try:
            if await _within(asyncio.shield(sending), until):
                return sending.result()
        except EngineRefused:
            return await self._keep(request, SendStatus.FAILED, SendError.NOT_CONNECTED)
        except Busy:
            return await self._keep(request, SendStatus.FAILED, SendError.NOT_BEGUN)
        return await self._keep(request, SendStatus.UNKNOWN, SendError.TIMED_OUT)

    async def _through_the_engine(self, seat: Seat, request: frames.Send, to: bytes, message: bytes) -> Outcome:
        """Send, and keep the outcome: on the engine's own thread, unless somebody was left out who has to be looked for first."""

        def keep(outcome: Outcome) -> Outcome:
            self._journal.outcome(request.session, outcome)
            if outcome.status is SendStatus.SENT:
                seat.client.sent()
            return outcome

        def read(answer: bytes) -> tuple[Outcome, frozenset[str]]:
            outcome = to_whatsapp.outcome(request.ref, request.to, answer)
            missed = seat.client.unencrypted.take(outcome.message_id)
            if _user(request.to).partition("@")[2] not in _PEOPLE:
                missed = frozenset[str]()  # of many people: whoever has a copy has it
            elif request.to not in seat.user:
                missed = frozenset(one for one in missed if _user(one) not in seat.user)
            return (outcome if missed else keep(outcome)), missed

        outcome, missed = await seat.client.send(to, message, read, deadline_s=ENGINE_SEND_S)
        if not missed:
            return outcome
        return await asyncio.to_thread(keep, await self._judged(seat.client, outcome, missed))

    async def _judged(self, client: Client, outcome: Outcome, missed: frozenset[str]) -> Outcome:
        """What the engine calls sent, without a copy for the devices in *missed*: sent if any other of the same person's has one."""
        try:
            devices = await client.devices(_user(min(missed)), deadline_s=ENGINE_SEND_S)
        except SessionsError:
            devices = frozenset[str]()
        if not missed <= devices:  # the list cannot be had, or is another by now: it says nothing of this message
            return replace(outcome, status=SendStatus.UNKNOWN, error=SendError.ENGINE, message_id=None, at_ms=None)
        if devices - missed:
            return outcome
        return replace(outcome, status=SendStatus.FAILED, error=SendError.NO_KEYS, message_id=None, at_ms=None)

    async def _keep(self, request: frames.Send, status: SendStatus, error: str) -> Outcome:
        outcome = Outcome(ref=request.ref, status=status, to=request.to, error=error)
        await asyncio.to_thread(self._journal.outcome, request.session, outcome)
        return outcome

    def _seat(self, session: str) -> Seat:
        seat = self.seats.get(session)
        if seat is None:
            raise UnknownSession
        return seat

    def _client(self, session: str) -> Client:
        return self._seat(session).client

    def _vacate(self, session: str, seat: Seat) -> None:
        if self.seats.get(session) is seat:  # or who closed it too was quicker
            del self.seats[session]
            self._gone.append(seat.client)
            self._journal.release(session)
            seat.lock.release()

    def _on_ended(self, session: str, end: End, detail: str) -> None:
        seat = self.seats.get(session)
        if seat:
            seat.online = seat.logged_in = False
        if end is not End.STOPPED:
            self._tell(frames.Ended(session=session, error=end, detail=detail))


async def _within(what: Awaitable[Any], until: float) -> bool:
    try:
        await asyncio.wait_for(what, max(0.0, until - asyncio.get_running_loop().time()))
    except TimeoutError:
        return False
    return True


def refusal(request_id: int, error: BaseException) -> frames.Reply:
    """Answer a failed request: our own errors by their code, anything else as a fault of ours, by its type only."""
    if isinstance(error, SessionsError):
        return frames.Reply(id=request_id, error=error.code, sentence=str(error))
    return frames.Reply(id=request_id, error=FixUs.code, sentence=f"{FixUs.__doc__} ({type(error).__name__})")
