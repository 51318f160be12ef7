from __future__ import annotations

import ctypes
import queue
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from sessions import frames
from sessions.inbox import InboxWriter, Row
from sessions.model import Outcome, decode
from sessions.worker.library import Library, load

proto: Any = load().proto  # before any test module imports neonize's protobufs

from sessions.worker import client as client_module  # noqa: E402  # as said above
from sessions.worker.from_whatsapp import translate  # noqa: E402
from sessions.worker.host import Host  # noqa: E402
from sessions.worker.journal import Journal  # noqa: E402

ME = "5511999990000"
WAIT_S = 20.0


class FakeSession:
    """A session inside the fake engine. What it is told to do it does on its own thread, the one that called `Neonize`."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.database: bytes = arguments[0]
        self.subscribed = bytes(arguments[10])[: arguments[11]]
        self.proxy: bytes | None = arguments[16]._obj.address if arguments[16] is not None else None
        self._id: bytes = arguments[1]
        self._on_qr, self._on_status, self._on_event, self._on_log = arguments[6:10]
        self._doing: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._error = b""
        self.deaf_to_stop = False

    def live(self) -> bytes:
        while (do := self._doing.get()) is not None:
            do()
        return self._error

    def end(self, error: str = "") -> None:
        self._error = error.encode()
        self._doing.put(None)

    def stop(self) -> None:
        if not self.deaf_to_stop:
            self.end()

    def event(self, code: int, raw: bytes = b"") -> None:
        def fire() -> None:
            data = ctypes.create_string_buffer(raw, len(raw)) if raw else None
            self._on_event(self._id, ctypes.addressof(data) if data is not None else None, len(raw), code)

        self._doing.put(fire)

    def qr(self, code: str) -> None:
        self._text(self._on_qr, code)

    def login_status(self, status: str) -> None:
        self._text(self._on_status, status)

    def log(self, line: str) -> None:
        """Write a line of the log, on the calling thread, as the engine does."""
        raw = proto.LogEntry(Message=line, Level="WARN", Name="Client").SerializeToString()
        data = ctypes.create_string_buffer(raw, len(raw))
        self._on_log(ctypes.addressof(data), len(raw))

    def known(self) -> None:
        """Say whose account it is, as the engine does first."""
        jid = proto.JID(User=ME, Server="s.whatsapp.net", Device=1, RawAgent=0, Integrator=0)
        device = proto.Device(JID=jid, Platform="android", BussinessName="", PushName="Zé", Initialized=True)
        self.event(0, device.SerializeToString())

    def connected(self) -> None:
        self.known()
        self.event(3, proto.Connected(status=True).SerializeToString())

    def _text(self, callback: Any, text: str) -> None:
        def fire() -> None:
            data = ctypes.create_string_buffer(text.encode())
            callback(None, ctypes.addressof(data))

        self._doing.put(fire)


@dataclass
class FakeGo:
    """The engine's functions. `on_start` says how a session begins; `on_send` answers a send, on the calling thread."""

    on_start: Callable[[FakeSession], None] = FakeSession.connected
    on_send: Callable[[str], bytes] | None = None
    blocklist: Callable[[], bytes] = bytes
    devices: Callable[[], bytes] = bytes
    logout: bytes = b""
    sessions: dict[str, FakeSession] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def Neonize(self, *arguments: Any) -> bytes:
        session = FakeSession(arguments)
        self.sessions[arguments[1].decode()] = session
        self._note("Neonize", arguments[1])
        self.on_start(session)
        return session.live()

    def Stop(self, name: bytes) -> bytes:
        self._note("Stop", name)
        self.sessions[name.decode()].stop()
        return b""

    def Disconnect(self, name: bytes) -> None:
        self._note("Disconnect", name)

    def Logout(self, name: bytes) -> bytes:
        self._note("Logout", name)
        return self.logout

    def SendMessage(self, name: bytes, _to: bytes, _size: int, message: bytes, _message_size: int) -> bytes:
        text = message[2:].decode()  # one field: its tag, its length, the text
        self._note("SendMessage", name)
        self.sent.append(text)
        return self.on_send(text) if self.on_send else sent(f"ID-{text}")

    def GetUserDevices(self, name: bytes, _jids: bytes, _size: int) -> bytes:
        self._note("GetUserDevices", name)
        return self.devices()

    def GetBlocklist(self, name: bytes) -> bytes:
        self._note("GetBlocklist", name)
        return self.blocklist()

    def IsOnWhatsApp(self, name: bytes, phone: bytes) -> bytes:
        self._note("IsOnWhatsApp", name)
        jid = proto.JID(
            User=phone.decode().removeprefix("+"), Server="s.whatsapp.net", Device=0, RawAgent=0, Integrator=0
        )
        found = proto.IsOnWhatsAppResponse(Query=phone.decode(), JID=jid, IsIn=phone != b"+0")
        return proto.IsOnWhatsAppReturnFunction(IsOnWhatsAppResponse=[found]).SerializeToString()

    def PairPhone(self, name: bytes, wish: bytes, _size: int) -> bytes:
        self._note("PairPhone", name)
        phone = proto.PairPhoneParams.FromString(wish).phone
        return proto.PairPhoneReturnFunction(Code="ABCD-1234", Error="" if phone != "0" else "bad").SerializeToString()

    def of(self, session: str) -> list[str]:
        """The functions called for a session, in order."""
        return [name for name, one in self.calls if one == session]

    def _note(self, name: str, session: bytes) -> None:
        self.calls.append((name, session.decode()))


def sent(message_id: str, error: str = "") -> bytes:
    """What SendMessage answers."""
    answer = proto.SendMessageReturnFunction(Error=error)
    answer.SendResponse.ID, answer.SendResponse.Timestamp = message_id, 1_700_000_000
    return answer.SerializePartialToString()


class FakeInbox:
    """Keeps rows in memory."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.released: list[str] = []

    def append(self, row: Row) -> None:
        self.rows.append(row)

    def release(self, session: str) -> None:
        self.released.append(session)


class Bench:
    """A worker's host on a fake engine, with everything around it written down."""

    def __init__(self, folder: Path, lab: frames.LabKeys | None = None) -> None:
        self.folder = folder
        self.go = FakeGo()
        self.inbox = FakeInbox()
        self.told: list[frames.Notice] = []
        self.journal = Journal(
            cast(InboxWriter, self.inbox),
            translate,
            lambda session, life: self._post(session, life),
            on_failure=lambda _full: None,
        )
        library = Library(go=self.go, proto=proto, path=folder)
        self.host = Host(library, self.journal, self.told.append, lab)
        import asyncio

        self._loop = asyncio.get_running_loop()

    def _post(self, session: str, life: Any) -> None:
        self._loop.call_soon_threadsafe(self.host.on_words, session, life)

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes that are in the inbox, in order."""
        words = [decode(row.kind, row.body or b"") for row in self.inbox.rows if row.kind == "outcome"]
        return [one for one in words if isinstance(one, Outcome)]

    def path(self, session: str) -> Path:
        return self.folder / f"{session}.db"

    async def open(self, session: str, deadline_s: float = WAIT_S) -> frames.Reply:
        return await self.host.open(
            frames.Open(id=1, deadline_s=deadline_s, session=session, path=str(self.path(session)))
        )

    async def close(self, session: str) -> frames.Reply:
        return await self.host.close(frames.Close(id=2, deadline_s=WAIT_S, session=session))

    async def send(self, session: str, text: str, deadline_s: float = WAIT_S) -> Outcome:
        to = "5511888880000@s.whatsapp.net"
        reply = await self.host.send(
            frames.Send(id=3, deadline_s=deadline_s, session=session, ref=f"ref-{text}", to=to, text=text)
        )
        assert reply.outcome is not None
        return reply.outcome


class Held:
    """A function of the engine that answers only when it is let go."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self._let_go = threading.Semaphore(0)
        self._error = ""

    def __call__(self, text: str = "") -> bytes:
        self.began.release()
        assert self._let_go.acquire(timeout=WAIT_S)
        return sent(f"ID-{text}", self._error)

    def let_go(self, times: int = 1, *, error: str = "") -> None:
        self._error = error
        self._let_go.release(times)


@pytest.fixture
def held() -> Any:
    held = Held()
    yield held
    held.let_go(100)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine settles at once, or never within a test's patience."""
    monkeypatch.setattr(client_module, "QUIET_S", 0.05)
    monkeypatch.setattr(client_module, "FIRST_SIGN_S", 0.05)
    monkeypatch.setattr(client_module, "STOP_S", 0.2)


@pytest.fixture
async def bench(tmp_path: Path, quick: None) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for session in bench.go.sessions.values():
        session.end()
    for seat in bench.host.seats.values():
        seat.lock.release()


@pytest.fixture
def make_bench(quick: None) -> type[Bench]:
    return Bench
