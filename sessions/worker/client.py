"""One WhatsApp account inside the engine: its thread, its callbacks, its calls.

neonize's Python client is not used, only its Go library and its protobufs: the client answers the engine before its handlers
run, its finalizer stops newer sessions of the same name, and its start needs the loop's default threads. Here the engine's own
thread writes the event to disk before the engine goes on.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from neonize.proto.waCompanionReg.WAWebProtobufsCompanionReg_pb2 import DeviceProps

from sessions.errors import Busy, Deadline, EngineRefused, FixUs
from sessions.frames import LabKeys
from sessions.worker.calls import Calls
from sessions.worker.from_whatsapp import SUBSCRIBED
from sessions.worker.gate import Gate
from sessions.worker.library import ON_EVENT, ON_LOG, ON_TEXT, Library, ProxySettings
from sessions.worker.to_whatsapp import jid_bytes_of_many
from sessions.worker.unencrypted import Unencrypted, devices

log = logging.getLogger(__name__)

FIRST_SIGN_S = 0.3  # how long a start keeps others out of the engine; by then it has written its maps and is dialling
QUIET_S = 0.5  # without a callback for so long, the engine's channel is empty
LONGEST_QUIET_WAIT_S = 4.0  # less than a drain may take
STOP_S = 10.0
# The default DSN writes with an fsync each and a five-second lock wait. The last key swallows what neonize appends.
DSN = "{path}?_foreign_keys=on&_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&x="
LOG_LEVEL = b"WARN"  # for one of its lines, see `unencrypted`; lower levels show every stanza


class End(StrEnum):
    """Why a session's engine thread ended."""

    STOPPED = "stopped"  # asked
    UNREACHABLE = "unreachable"  # the first connection was refused or could not be made
    PUMP_DEAD = "pump_dead"  # an event the engine cannot hand over; it hears nothing any more
    ENGINE = "engine"


class Stuck(FixUs):
    """The engine does not let go of this session: its worker has to be replaced."""

    code = "stuck"


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Where a client's news goes. `event` is called on the engine's threads, the others on the loop."""

    event: Callable[[str, int, bytes], None]
    qr: Callable[[str, str], None]
    login_status: Callable[[str, str], None]
    ended: Callable[[str, End, str], None]


class Client:
    """A session in this worker, from `open` to `close`."""

    def __init__(
        self, session: str, path: Path, *, library: Library, calls: Calls, callbacks: Callbacks, lab: LabKeys | None
    ) -> None:
        self.session = session
        self.known = False  # the engine said whose account this is: from here on it can be stopped
        self.pairing = False
        self._id = session.encode()
        self._path = path
        self._library = library
        self._calls = calls
        self._callbacks = callbacks
        self._lab = lab
        self._loop = asyncio.get_running_loop()
        self._first_sign = asyncio.Event()
        self._ended = asyncio.Event()
        self._begun = False
        self._closing = False
        self._last_sign = time.monotonic()
        self.last_event: float | None = None  # monotonic, as all of them
        self.last_sent: float | None = None
        self.unencrypted = Unencrypted()
        self._kept: tuple[Any, ...] = ()  # what the engine keeps pointers to; never collected while it may call

    @property
    def silent_s(self) -> float:
        """Seconds since WhatsApp last said or answered anything. That the engine refuses something is no answer."""
        return time.monotonic() - self._last_sign

    @property
    def running(self) -> bool:
        """Whether the engine's thread of this session still lives."""
        return not self._ended.is_set()

    def heard(self) -> None:
        """Note a sign of life."""
        self._last_sign = time.monotonic()

    def sent(self) -> None:
        """Note that WhatsApp acknowledged a send."""
        self.last_sent = time.monotonic()
        self.heard()

    @staticmethod
    def since(at: float | None) -> float | None:
        """Answer the seconds since *at*, None for what never happened."""
        return None if at is None else time.monotonic() - at

    async def open(self, gate: Gate, *, deadline_s: float) -> None:
        """Start the engine's thread for this session, alone in the engine until it shows a first sign. Returns then, or at the deadline."""
        async with gate.exclusive():
            if self._closing:
                return
            self._begun = True
            threading.Thread(target=self._live, name=f"session-{self.session[:8]}", daemon=True).start()
            await _settled(self._first_sign, FIRST_SIGN_S)
        await _settled(self._first_sign, deadline_s)

    async def close(self) -> None:
        """Disconnect, let the engine hand over what it holds, stop. Raises `Stuck` when it does not let go."""
        self._closing = True
        if not self._begun:
            self._ended.set()
        if self.running and not self.known:
            # Stopping a session that is still dialling blocks or aborts the process: only its own end, or a kill, is safe.
            await _settled(self._ended, STOP_S)
            if self.running:
                raise Stuck
        if self.running:
            await self.disconnect()
            await self._stop()

    async def disconnect(self) -> None:
        """Close the connection and wait until the engine has handed over what it holds. Raises `Stuck`."""
        self._closing = True
        try:
            await self._run(lambda: self._library.go.Disconnect(self._id), deadline_s=STOP_S)
        except (Busy, Deadline):
            raise Stuck from None
        self.heard()
        until = time.monotonic() + LONGEST_QUIET_WAIT_S
        while self.running and self.silent_s < QUIET_S and time.monotonic() < until:  # noqa: ASYNC110  # silence has no event
            await asyncio.sleep(QUIET_S - self.silent_s + 0.01)

    async def _stop(self) -> None:
        try:
            await self._calls.run(lambda: self._library.go.Stop(self._id), deadline_s=STOP_S, exclusive=True)
        except (Busy, Deadline):
            raise Stuck from None
        await _settled(self._ended, STOP_S)
        if self.running:
            raise Stuck

    async def logout(self, *, deadline_s: float) -> None:
        """Unlink this device at WhatsApp. Raises `EngineRefused` or `Deadline`; then nothing was deleted."""
        answer = await self._run(lambda: self._library.go.Logout(self._id), deadline_s=deadline_s)
        if answer:
            raise EngineRefused("WhatsApp did not confirm the logout: try again, or unlink this device on the phone.")

    async def send(self, to: bytes, message: bytes, done: Callable[[bytes], Any], *, deadline_s: float) -> Any:
        """Send a serialized message; answers what *done* makes of the engine's answer, on the engine's own thread."""
        return await self._run(
            lambda: done(self._library.go.SendMessage(self._id, to, len(to), message, len(message))),
            deadline_s=deadline_s,
        )

    async def devices(self, user: str, *, deadline_s: float) -> frozenset[str]:
        """Answer the devices of *user* ("user@server"), as the engine knows them. Raises `EngineRefused`, `Busy` or `Deadline`."""
        asked = jid_bytes_of_many(user)
        answer = await self._run(
            lambda: self._library.go.GetUserDevices(self._id, asked, len(asked)), deadline_s=deadline_s
        )
        found = self._library.proto.GetUserDevicesreturnFunction.FromString(answer)
        if found.Error:
            raise EngineRefused
        return devices(found.JID)

    async def ask(self, *, deadline_s: float) -> bool:
        """One cheap question to WhatsApp. Answers whether it was answered in time. Raises `Busy` or `EngineRefused` when not asked."""
        proto = self._library.proto
        try:
            answer = await self._run(lambda: self._library.go.GetBlocklist(self._id), deadline_s=deadline_s)
        except Deadline:
            return False
        if proto.GetBlocklistReturnFunction.FromString(answer).Error:
            return False
        self.heard()
        return True

    async def on_whatsapp(self, phone: str, *, deadline_s: float) -> str | None:
        """Answer the JID that *phone* (digits) answers to, or None. Raises `EngineRefused` or `Deadline`."""
        proto = self._library.proto
        answer = await self._run(
            lambda: self._library.go.IsOnWhatsApp(self._id, f"+{phone}".encode()), deadline_s=deadline_s
        )
        found = proto.IsOnWhatsAppReturnFunction.FromString(answer)
        if found.Error:
            raise EngineRefused
        return next((f"{one.JID.User}@{one.JID.Server}" for one in found.IsOnWhatsAppResponse if one.IsIn), None)

    async def pair_code(self, phone: str, *, deadline_s: float) -> str:
        """Answer the 8-character code to type on *phone* (digits only). Raises `EngineRefused` or `Deadline`."""
        proto = self._library.proto
        # The server checks that the display name reads "Browser (System)".
        wish = proto.PairPhoneParams(
            phone=phone, showPushNotification=True, clientType=1, clientDisplayName="Chrome (Linux)"
        ).SerializeToString()
        answer = await self._run(lambda: self._library.go.PairPhone(self._id, wish, len(wish)), deadline_s=deadline_s)
        result = proto.PairPhoneReturnFunction.FromString(answer)
        if result.Error:
            raise EngineRefused("WhatsApp gave no code for this number: check it, or use the QR code.")
        return result.Code

    async def _run(self, call: Callable[[], Any], *, deadline_s: float) -> Any:
        """Run an engine function. Not for a session that has ended: the engine aborts the process when asked about one it does not know."""
        if not self.running:
            raise EngineRefused
        return await self._calls.run(call, deadline_s=deadline_s)

    # -- on the engine's threads ---------------------------------------------------------------------------------------

    def _live(self) -> None:
        """The session's thread: inside the engine as long as the session lives."""
        try:
            error: bytes = self._library.go.Neonize(*self._arguments())
        except Exception as failure:  # a thread of its own: there is nobody to raise to
            log.exception("session %s could not be started", self.session)
            error = type(failure).__name__.encode()
        self._post(self._on_end, error.decode(errors="replace"))

    def _arguments(self) -> tuple[Any, ...]:
        from_codes = bytearray(sorted(SUBSCRIBED))
        subscribed = (ctypes.c_char * len(from_codes)).from_buffer(from_codes)
        proxy = ProxySettings(address=self._lab.proxy.encode()) if self._lab else None
        callbacks = (
            ON_TEXT(self._on_qr),
            ON_TEXT(self._on_login_status),
            ON_EVENT(self._on_event),
            ON_LOG(self._on_log),
        )
        device = _device_properties()
        self._kept = (from_codes, subscribed, proxy, callbacks, device)
        return (
            *(DSN.format(path=self._path).encode(), self._id, b"", 0, 0, LOG_LEVEL),
            *callbacks,
            *(subscribed, len(from_codes), device, len(device), b"", 0),
            ctypes.byref(proxy) if proxy is not None else None,
        )

    def _on_event(self, _uuid: int, data: int, size: int, code: int) -> None:
        self.last_event = time.monotonic()
        self.heard()
        self._callbacks.event(self.session, code, ctypes.string_at(data, size) if size else b"")
        self.heard()
        if code == 0:
            self._post(self._on_known)

    def _on_qr(self, _uuid: int, text: int) -> None:
        self._post(self._on_qr_code, ctypes.string_at(text).decode())

    def _on_login_status(self, _uuid: int, text: int) -> None:
        self._post(self._callbacks.login_status, self.session, ctypes.string_at(text).decode(errors="replace"))

    def _on_log(self, data: int, size: int) -> None:
        """The engine's own log names people: it is read, and goes no further."""
        if data and size > 0:
            with suppress(DecodeError):  # nothing is ever raised to the engine
                entry = self._library.proto.LogEntry.FromString(ctypes.string_at(data, size))
                self.unencrypted.hear(entry.Message)

    def _post(self, call: Callable[..., None], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *args)
        except RuntimeError:
            return  # the loop is closed: the process is about to end

    # -- on the loop -----------------------------------------------------------------------------------------------------

    def _on_known(self) -> None:
        self.known = True
        self.pairing = False
        self._first_sign.set()

    def _on_qr_code(self, code: str) -> None:
        self.pairing = True
        self._first_sign.set()
        self._callbacks.qr(self.session, code)

    def _on_end(self, error: str) -> None:
        self._ended.set()
        self._first_sign.set()
        self._callbacks.ended(self.session, self._why(error), _phase(error))

    def _why(self, error: str) -> End:
        if self._closing:
            return End.STOPPED
        if "required field" in error:
            return End.PUMP_DEAD
        if not self.known:
            return End.UNREACHABLE if "dial" in error or "noise" in error or "websocket" in error else End.ENGINE
        return End.PUMP_DEAD


def _phase(error: str) -> str:
    """The part of the engine's sentence that names a step, never a person."""
    return error.partition(":")[0][:80]


def _device_properties() -> bytes:
    """How this device shows in the phone's list of linked devices."""
    return DeviceProps(os="Vigia", platformType=DeviceProps.CHROME).SerializeToString()


async def _settled(event: asyncio.Event, within_s: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), within_s)
    except TimeoutError:
        return False
    return True
