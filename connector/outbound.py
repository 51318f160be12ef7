"""The only door out: a send is on record before the engine is asked, happens once a key, and ends sent, failed or unknown."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from loguru import logger

from connector import facts, phones
from connector.connections import RECORD, WEBHOOK, Connections
from connector.events import bodies, lines
from connector.facts import ConnectionRef, Stamp
from connector.refusals import InProgress, KeyReused, UnknownMessage
from connector.sinks.record import SEND
from connector.spool import Begun, Conflict, DeadLetter, Ended, NewSend, OutRow, Replay, Send, Sends, SendState
from connector.views import SendIn, SentView
from sessions.errors import NotConnected, SendError, SessionsError
from sessions.model import Outcome, SendStatus, SessionId
from sessions.ports import SessionView
from sessions.state import Reason

RECORDED_S = 1.0  # how long a caller waits to learn its atendimento; the row itself may come later
KNOWN_ADDRESSES = 10_000
HUBS_OWN = frozenset({SendError.WORKER_GONE, SendError.TIMED_OUT})
"""Endings that the hub itself may have told: no worker wrote them down."""


class Fleet(Protocol):
    """What a send needs of the sessions."""

    def view(self, session: SessionId) -> SessionView: ...
    async def send(self, session: SessionId, ref: str, to: str, text: str) -> Outcome: ...
    async def on_whatsapp(self, session: SessionId, phone: str) -> str | None: ...


class Board(Protocol):
    """Tells what a message was recorded as."""

    async def wait(self, message_id: str, timeout_s: float) -> str | None:
        """Answer the atendimento's id, or None when that is not known in time."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What sending works with. `next_version`: the hybrid clock; `clock`: unix seconds; `sinks`: those there are.

    `ended` is told of each send's connection, outcome and seconds.
    """

    connections: Connections
    fleet: Fleet
    sends: Sends
    board: Board
    sinks: frozenset[str]
    next_version: Callable[[], int]
    clock: Callable[[], float] = time.time
    ended: Callable[[str, str, float], None] = lambda _connection_id, _outcome, _seconds: None


class Outbound:
    """Sends texts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._addresses: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def send(self, wanted: SendIn) -> SentView:
        """Send a text and answer how it ended.

        Raises `UnknownConnection`, `NotConnected`, `NotAnAddress`, `NotOnWhatsApp`, `KeyReused`, `InProgress`, `Busy`, `SpoolError`.
        """
        ref = self._parts.connections.ref(wanted.connection_id)
        digest = _digest(wanted)
        if before := await self._before(ref, wanted):
            return _again(before, digest)
        self._require_connected(ref)
        to = await self._address(ref, wanted.to)
        begun = await self._begin(ref, wanted, to, digest)
        if not isinstance(begun, Begun):
            return _again(begun.send, digest)
        return await self._finish(ref, wanted, to, begun.send)

    async def by_id(self, message_id: str) -> SentView:
        """Answer what became of a send. Raises `UnknownMessage`."""
        send = await self._parts.sends.get(message_id)
        if send is None:
            raise UnknownMessage
        return _view(send)

    async def endings(self, letters: Sequence[DeadLetter]) -> list[OutRow]:
        """Answer how those sends ended, to be told behind their beginnings, which are among *letters* and about to be put back.

        The record was told before, and had no row yet to write it to.
        """
        rows: list[OutRow] = []
        for letter in letters:
            send = await self._begun(letter)
            if send and send.status is not SendState.SENDING:
                ref = self._parts.connections.refs[SessionId(send.session)]
                stamp = Stamp(f"{SEND}{send.message_id}:{send.status}", self._parts.next_version())
                at_ms = (send.ended_us or send.at_us) // 1000
                status = SendStatus(send.status.value)
                ended = Outcome(send.message_id, status, "", send.wa_message_id, at_ms, send.error)
                rows += self._rows(ref, stamp, {RECORD: facts.outcome(stamp, ref, ended)})
        return rows

    async def _begun(self, letter: DeadLetter) -> Send | None:
        """Answer the send whose beginning *letter* is, as far as it is still known."""
        message_id = letter.op.removeprefix(SEND)
        if letter.sink != RECORD or message_id == letter.op or ":" in message_id:
            return None
        send = await self._parts.sends.get(message_id)
        return send if send and SessionId(send.session) in self._parts.connections.refs else None

    async def recover(self, before_us: int) -> int:
        """End what an earlier run left open, once its inboxes are read: nobody knows any more, and nobody sends it again."""
        ended = 0
        while left := await self._parts.sends.open_sends(before_us=before_us):
            for send in left:
                ref = self._parts.connections.refs.get(SessionId(send.session))
                outcome = Outcome(ref=send.message_id, status=SendStatus.UNKNOWN, to="", error=SendError.WORKER_GONE)
                await self._close(ref, outcome)
                ended += 1
        return ended

    async def _before(self, ref: ConnectionRef, wanted: SendIn) -> Send | None:
        if wanted.idempotency_key is None:
            return None
        return await self._parts.sends.of_key(ref.id, wanted.idempotency_key)

    def _require_connected(self, ref: ConnectionRef) -> None:
        state = self._parts.fleet.view(SessionId(ref.session)).state
        if state.reason is not Reason.CONNECTED:
            raise NotConnected(state.sentence("en"))

    async def _address(self, ref: ConnectionRef, written: str) -> str:
        """The JID that WhatsApp confirms for what was written; remembered, since it is asked for every text."""
        key = (ref.session, written)
        if key not in self._addresses:
            session = SessionId(ref.session)
            self._addresses[key] = await phones.resolve(
                written, lambda number: self._parts.fleet.on_whatsapp(session, number)
            )
            while len(self._addresses) > KNOWN_ADDRESSES:
                self._addresses.popitem(last=False)
        return self._addresses[key]

    async def _begin(self, ref: ConnectionRef, wanted: SendIn, to: str, digest: str) -> Begun | Replay | Conflict:
        message_id = str(uuid.uuid4())
        stamp = Stamp(f"{SEND}{message_id}", self._parts.next_version())
        fact = facts.sending(
            stamp,
            ref,
            message_id=message_id,
            to=to,
            text=wanted.content.replace("\x00", "\ufffd"),
            remetente=wanted.remetente,
            at_ms=int(self._parts.clock() * 1000),
        )
        new = NewSend(
            message_id=message_id,
            connection_id=ref.id,
            session=ref.session,
            scope=ref.id,
            key=wanted.idempotency_key,
            request_hash=digest,
        )
        return await self._parts.sends.begin(new, self._rows(ref, stamp, {RECORD: fact}))

    async def _finish(self, ref: ConnectionRef, wanted: SendIn, to: str, send: Send) -> SentView:
        """Ask the engine, whatever the caller does meanwhile: a request that is broken off ends on record all the same."""
        work = asyncio.create_task(self._ask(ref, wanted, to, send), name=f"send-{send.message_id[:8]}")
        return await asyncio.shield(work)

    async def _ask(self, ref: ConnectionRef, wanted: SendIn, to: str, send: Send) -> SentView:
        began = time.monotonic()
        try:
            outcome = await self._parts.fleet.send(SessionId(ref.session), send.message_id, to, wanted.content)
        except SessionsError:
            # The engine was not reached: it is certain that nothing left.
            failed = Outcome(ref=send.message_id, status=SendStatus.FAILED, to=to, error=SendError.NOT_CONNECTED)
            await self._close(ref, failed)
            self._parts.ended(ref.id, failed.status.value, time.monotonic() - began)
            raise
        self._parts.ended(ref.id, outcome.status.value, time.monotonic() - began)
        if outcome.error in HUBS_OWN:
            await self._close(ref, outcome)
        atendimento = await self._parts.board.wait(send.message_id, RECORDED_S)
        view = _outcome_view(send, outcome, atendimento)
        if send.key is not None:  # without one nobody can ask for this answer again
            await self._parts.sends.told(send.message_id, msgspec.json.encode(view), atendimento)
        return view

    async def _close(self, ref: ConnectionRef | None, outcome: Outcome) -> None:
        """Write an ending that no worker wrote. One that a worker did write counts more, whichever comes first."""
        version = self._parts.next_version()
        stamp = Stamp(f"{SEND}{outcome.ref}:{outcome.status}", version)
        at_us = int(self._parts.clock() * 1_000_000)
        rows: list[OutRow] = []
        if ref:
            ended = facts.ended(outcome)
            lines.of_message("messageStatus", ref, ended)
            told = {
                RECORD: facts.outcome(stamp, ref, outcome),
                WEBHOOK: bodies.of_message(stamp, "messageStatus", ref, at_us // 1000, ended),
            }
            rows = self._rows(ref, stamp, told)
        else:
            logger.warning("A send of a connection that is gone is closed as {}", outcome.status.value)
        await self._parts.sends.finish(
            Ended(outcome.ref, outcome.status, at_us, outcome.message_id, outcome.error), rows
        )

    def _rows(self, ref: ConnectionRef, stamp: Stamp, told: dict[str, facts.Fact]) -> list[OutRow]:
        return [
            OutRow(sink=sink, chain=ref.session, op=stamp.op, body=facts.encode(fact))
            for sink, fact in told.items()
            if sink in self._parts.sinks
        ]


def _digest(wanted: SendIn) -> str:
    asked = (wanted.connection_id, wanted.to, wanted.content, wanted.type, wanted.remetente)
    return hashlib.sha256(msgspec.json.encode(asked)).hexdigest()


def _again(send: Send, digest: str) -> SentView:
    """What the same request was answered before. Raises `KeyReused` for another one, `InProgress` while it is not answered."""
    if send.request_hash != digest:
        raise KeyReused
    if send.answer is not None:
        return msgspec.json.decode(send.answer, type=SentView)
    if send.status is SendState.SENDING:
        raise InProgress
    return _view(send)


def _view(send: Send) -> SentView:
    return SentView(
        message_id=send.message_id,
        wa_message_id=send.wa_message_id,
        status=send.status.value,
        atendimento_id=send.atendimento_id,
        recorded=send.atendimento_id is not None,
        timestamp=datetime.fromtimestamp((send.ended_us or send.at_us) / 1e6, UTC),
        error=send.error,
    )


def _outcome_view(send: Send, outcome: Outcome, atendimento: str | None) -> SentView:
    at = outcome.at_ms / 1000 if outcome.at_ms else send.at_us / 1e6
    return SentView(
        message_id=send.message_id,
        wa_message_id=outcome.message_id,
        status=outcome.status.value,
        atendimento_id=atendimento,
        recorded=atendimento is not None,
        timestamp=datetime.fromtimestamp(at, UTC),
        error=outcome.error,
    )
