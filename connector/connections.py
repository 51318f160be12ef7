"""The connections of every tenant: the caller's own name for a session, whose it is, and what is told of it when it changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

import msgspec
from loguru import logger

from connector import changes, facts, portrait
from connector.audit import Noted, unnoted
from connector.changes import Change
from connector.facts import ConnectionRef, Stamp
from connector.portrait import Known, known_of
from connector.refusals import ConnectionConflict, UnknownConnection
from connector.spool import Connection, OutRow, SpoolError
from connector.views import ConnectionIn, ConnectionView, Page, Status, TruthView
from sessions.errors import UnknownSession
from sessions.model import Identity, SessionId
from sessions.pairing import Code
from sessions.ports import SessionView, Truth
from sessions.state import Reason, State

RECORD, WEBHOOK = "record", "webhook"
MAX_CHANGES = 10_000
_ASKED = "asked for over the API"
REMOVED = "removed:"
"""Before the id of a connection that was deleted: what its session still left in the inboxes goes where it belongs."""


class Sessions(Protocol):
    """What connections need of the fleet."""

    def create(self) -> SessionId: ...
    def view(self, session: SessionId) -> SessionView: ...
    def truth(self, session: SessionId) -> Truth: ...
    def connect(self, session: SessionId) -> None: ...
    async def qr(self, session: SessionId, wait_s: float) -> Code: ...
    async def pair_code(self, session: SessionId, phone: str) -> Code: ...
    async def logout(self, session: SessionId) -> bool: ...
    async def remove(self, session: SessionId) -> bool: ...
    async def remove_unpaired(self, session: SessionId) -> bool: ...
    def discard(self, session: SessionId) -> None: ...


class Local(Protocol):
    """Where connections are kept while the database is away."""

    async def put(self, connection: Connection) -> None: ...
    async def list(self) -> Sequence[Connection]: ...
    async def delete(self, connection_id: str) -> bool: ...


class Spool(Protocol):
    """Where sinks are told from."""

    def next_version(self) -> int: ...
    async def put(self, rows: list[OutRow]) -> None: ...


class Connections:
    """All of them. `load` before use, `run` meanwhile; `changed` is the fleet's to call."""

    def __init__(
        self,
        local: Local,
        spool: Spool,
        sinks: frozenset[str],
        clock: Callable[[], float],
        forgotten: Callable[[str], None] = lambda _connection_id: None,
        told: Callable[[facts.Fact], None] = lambda _fact: None,
        turned: Callable[[ConnectionRef, State, State], None] = lambda _ref, _before, _now: None,
        noted: Noted = unnoted,
    ) -> None:
        self._local = local
        self._spool = spool
        self._sinks = sinks
        self._clock = clock
        self._forgotten = forgotten
        self._told = told
        self._turned = turned
        self._noted = noted
        self._fleet: Sessions
        self._kept: dict[str, Connection] = {}
        self._refs: dict[SessionId, ConnectionRef] = {}
        self._codes: dict[SessionId, Code] = {}
        self._changes: asyncio.Queue[Change] = asyncio.Queue(MAX_CHANGES)
        self._making = asyncio.Lock()

    @property
    def refs(self) -> Mapping[SessionId, ConnectionRef]:
        """Every connection by its session, those lately removed too."""
        return self._refs

    @property
    def sessions(self) -> Mapping[str, SessionId]:
        """The session of every connection there is, by the connection's id; a damaged one may have none."""
        return {name: SessionId(kept.session) for name, kept in self._kept.items()}

    def ref(self, connection_id: str) -> ConnectionRef:
        """Answer the connection of this id. Raises `UnknownConnection`."""
        return self._refs[SessionId(self._known(connection_id).session)]

    async def load(self, fleet: Sessions) -> None:
        """Read what is kept here."""
        self._fleet = fleet
        for connection in await self._local.list():
            self._remember(connection)

    def changed(self, session: SessionId, before: State, now: State) -> None:
        """Take note of a session's change; what it means is told by `run`."""
        if now.reason is not Reason.WAITING_SCAN:
            self._codes.pop(session, None)
        self._changes.put_nowait(Change(session, before, now, int(self._clock() * 1000)))

    def tell_again(self) -> None:
        """Have `run` tell the record of every connection as it is: what it was told before may have looked old to it."""
        for kept in self._kept.values():
            self._tell_as_it_is(SessionId(kept.session))

    def coded(self, session: SessionId, code: Code) -> None:
        """Take note of a code to scan: the record has it while it may be scanned."""
        self._codes[session] = code
        self._tell_as_it_is(session)

    async def run(self) -> None:
        """Tell the sinks of every change, in order, until cancelled."""
        while True:
            change = await self._changes.get()
            try:
                await self._tell(change)
            except Exception:  # noqa: BLE001  # the next change is told all the same
                logger.exception("A change of session {} could not be told", change.session)
            finally:
                self._changes.task_done()

    async def settled(self) -> None:
        """Wait until every change was told."""
        await self._changes.join()

    async def create(self, wanted: ConnectionIn) -> tuple[ConnectionView, bool]:
        """Make a connection, or answer the same one again (False). Raises `ConnectionConflict`."""
        async with self._making:
            if wanted.id in self._kept:
                kept = self._kept[wanted.id]
                if (kept.name, kept.owner_id, kept.company_id) != (wanted.name, wanted.owner_id, wanted.company_id):
                    raise ConnectionConflict
                return self._view(kept), False
            made = Connection(
                id=wanted.id,
                session=self._fleet.create(),
                name=wanted.name,
                owner_id=wanted.owner_id,
                company_id=wanted.company_id,
                created_us=int(self._clock() * 1_000_000),
                body=msgspec.json.encode(Known()),
            )
            session = SessionId(made.session)
            try:
                await self._keep(made)
            except BaseException:  # nobody knows its name: each new try would leave another behind
                await self._fleet.remove(session)
                raise
        state = self._fleet.view(session).state
        self.changed(session, state, state)
        return self._view(made), True

    async def list(
        self, owner_id: str | None, company_id: str | None, status: Status | None, limit: int, offset: int
    ) -> Page[ConnectionView]:
        """Answer one page, oldest first."""
        chosen = [
            view
            for view in map(self._view, sorted(self._kept.values(), key=lambda one: (one.created_us, one.id)))
            if (owner_id is None or view.owner_id == owner_id)
            and (company_id is None or view.company_id == company_id)
            and (status is None or view.status == status)
        ]
        return Page(chosen[offset : offset + limit], len(chosen))

    async def get(self, connection_id: str) -> ConnectionView:
        """Answer one connection. Raises `UnknownConnection`."""
        return self._view(self._known(connection_id))

    async def truth(self, connection_id: str) -> TruthView:
        """Answer what is known of a connection's session. Raises `UnknownConnection`."""
        return portrait.truth(connection_id, self._fleet.truth(SessionId(self._known(connection_id).session)))

    async def delete(self, connection_id: str) -> bool:
        """Log out at WhatsApp and remove its files; answers whether the phone still lists it as a linked device."""
        kept = self._known(connection_id)
        session = SessionId(kept.session)
        identity, _ = self._facts(session)
        confirmed = await self._removed(session)
        await self._forget(kept, identity)
        self._noted("delete", kept.id, _ASKED)
        return not confirmed

    async def remove_unpaired(self, connection_id: str) -> None:
        """Remove a connection that no phone is linked to or about to be; any other stays."""
        kept = self._known(connection_id)
        if await self._fleet.remove_unpaired(SessionId(kept.session)):
            await self._forget(kept, None)

    async def rest(self) -> None:
        """Tell the record that nobody looks after the connections any more: the service stops, and its sessions have."""
        await self.settled()
        try:
            for kept in self._kept.values():
                identity, _ = self._facts(SessionId(kept.session))
                if self._view(kept).status in ("connected", "connecting"):
                    await self._tell_over(kept, "service_stopped", identity)
        except SpoolError as error:  # a full disk, say: nothing else may be held up by it
            logger.warning("The record cannot be told that the connections are down: {}", error)

    async def _forget(self, kept: Connection, identity: Identity | None) -> None:
        """Remove a connection whose session is gone; what it left behind still has its name."""
        await self.settled()
        if self._known(kept.id).session != kept.session:
            raise UnknownConnection  # somebody else removed it meanwhile, and another has its name
        known = replace(known_of(kept), name=kept.id)
        del self._kept[kept.id]
        await self._local.delete(kept.id)
        await self._keep(replace(kept, id=f"{REMOVED}{kept.session}", body=msgspec.json.encode(known)))
        self._forgotten(kept.id)
        await self._tell_over(kept, "removed", identity)

    async def _tell_over(self, kept: Connection, reason: str, identity: Identity | None) -> None:
        stamp, ref = self._stamp(kept.id), self._refs[SessionId(kept.session)]
        fact = facts.state(stamp, ref, changes.over(reason, identity, int(self._clock() * 1000)))
        await self._spool.put([OutRow(sink=RECORD, chain=ref.session, op=stamp.op, body=facts.encode(fact))])

    async def _removed(self, session: SessionId) -> bool:
        try:
            return await self._fleet.remove(session)
        except UnknownSession:  # nobody knows whether a phone lists it
            self._fleet.discard(session)
            return False

    async def restart(self, connection_id: str) -> ConnectionView:
        """Connect again. Raises `NotConnected` when no phone is linked."""
        kept = self._known(connection_id)
        self._fleet.connect(SessionId(kept.session))
        self._noted("reconnect", kept.id, _ASKED)
        return self._view(kept)

    async def logout(self, connection_id: str) -> bool:
        """Unlink the phone and keep the connection; answers as `delete`."""
        confirmed = await self._fleet.logout(SessionId(self._known(connection_id).session))
        self._noted("logout", connection_id, _ASKED)
        return not confirmed

    async def qr(self, connection_id: str, wait_s: float) -> Code:
        """Answer a code to scan, beginning a pairing if none is under way. Raises as `Fleet.qr`."""
        return await self._fleet.qr(SessionId(self._known(connection_id).session), wait_s)

    async def pairing_code(self, connection_id: str, phone: str) -> Code:
        """Answer a code to type on *phone* (digits only). Raises as `Fleet.pair_code`."""
        return await self._fleet.pair_code(SessionId(self._known(connection_id).session), phone)

    def _known(self, connection_id: str) -> Connection:
        if connection_id not in self._kept:
            raise UnknownConnection
        return self._kept[connection_id]

    async def _keep(self, connection: Connection) -> None:
        await self._local.put(connection)
        self._remember(connection)

    def _remember(self, connection: Connection) -> None:
        name = known_of(connection).name or connection.id
        whose = (connection.name, connection.owner_id, connection.company_id)
        self._refs[SessionId(connection.session)] = ConnectionRef(name, connection.session, *whose)
        if not connection.id.startswith(REMOVED):
            self._kept[connection.id] = connection

    def _tell_as_it_is(self, session: SessionId) -> None:
        with suppress(UnknownSession):  # not started yet: it is told when it is
            state = self._fleet.view(session).state
            code = self._codes.get(session)
            self._changes.put_nowait(Change(session, state, state, int(state.since * 1000), code))

    async def _tell(self, change: Change) -> None:
        ref = self._refs.get(change.session)
        if ref is None:
            return
        if (kept := self._kept.get(ref.id)) and (known := changes.after(change, known_of(kept))) != known_of(kept):
            await self._keep(replace(kept, body=msgspec.json.encode(known)))
        stamp = self._stamp(ref.id)
        told = changes.told(change, *self._facts(change.session), self._clock())
        event = changes.event(stamp, ref, change, told)
        if event is not None:
            self._told(event)
        changes.log_step(ref, change)
        rows = {RECORD: facts.state(stamp, ref, told), WEBHOOK: event}
        await self._spool.put(
            [
                OutRow(sink=sink, chain=ref.session, op=stamp.op, body=facts.encode(fact))
                for sink, fact in rows.items()
                if fact is not None and sink in self._sinks
            ]
        )
        self._turned(ref, change.before, change.now)

    def _stamp(self, connection_id: str) -> Stamp:
        version = self._spool.next_version()
        return Stamp(f"connection:{connection_id}:{version}", version)

    def _facts(self, session: SessionId) -> tuple[Identity | None, int | None]:
        """Whose it is, and its last sign of life in unix milliseconds; nothing of one that was removed meanwhile."""
        view = self._session(session)
        if view is None:
            return None, None
        silent = view.silent_s
        return view.identity, None if silent is None else int((self._clock() - silent) * 1000)

    def _session(self, session: SessionId) -> SessionView | None:
        try:
            return self._fleet.view(session)
        except UnknownSession:
            return None

    def _view(self, kept: Connection) -> ConnectionView:
        return portrait.shown(kept, self._session(SessionId(kept.session)), self._clock())
