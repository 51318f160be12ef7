"""What hub and worker say to each other: typed frames over a Unix socket, each a 4-byte big-endian length and msgpack."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from sessions.model import Life, Outcome

MAX_FRAME = 4 * 1024 * 1024
"""Bytes of the largest frame; a longer one ends the connection."""


@dataclass(frozen=True, slots=True)
class LabKeys:
    """How the engine reaches the local WhatsApp: proxy URL and the root key (hex) its server's certificates are checked against."""

    proxy: str
    root_key: str


class Request(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """Asked by the hub. `id` names the answer; `deadline_s` is how long the worker may take."""

    id: int
    deadline_s: float


class Configure(Request, frozen=True, kw_only=True):
    """The first frame. Paths are absolute. `threads`: how many calls into the engine may be under way at once."""

    name: str
    inbox: str
    low_water_bytes: int
    sync: str
    lab: LabKeys | None
    threads: int = 64


class Open(Request, frozen=True, kw_only=True):
    """Take the session's lock and connect. Answered when the start has shown a first result; signs of life tell the rest."""

    session: str
    path: str  # the database, without suffixes


class Close(Request, frozen=True, kw_only=True):
    """Disconnect, wait until the engine is quiet, stop, give the lock back."""

    session: str


class Logout(Request, frozen=True, kw_only=True):
    """Unlink the device at WhatsApp."""

    session: str


class Send(Request, frozen=True, kw_only=True):
    """Send a text. `ref` is the caller's own name of it; `to` a JID without device."""

    session: str
    ref: str
    to: str
    text: str


class PairCode(Request, frozen=True, kw_only=True):
    """Ask for an 8-character code for this phone (digits only), while a QR code is shown."""

    session: str
    phone: str


class OnWhatsApp(Request, frozen=True, kw_only=True):
    """Ask whether a number (digits only) has an account, and which JID it answers to."""

    session: str
    phone: str


class Ping(Request, frozen=True, kw_only=True):
    """Ask for the worker's health."""


class Drain(Request, frozen=True, kw_only=True):
    """Close every session, write what is left, and exit."""


AnyRequest = Configure | Open | Close | Logout | Send | PairCode | OnWhatsApp | Ping | Drain


@dataclass(frozen=True, slots=True)
class SessionHealth:
    """What a worker knows of a session, from what the engine did, in seconds since: None where it never did.

    `pump`: its events are handed over; `socket`, `logged_in`: as the engine's events tell; `heard_s`: WhatsApp said or answered
    anything; `event_s`: an event came; `sent_s`: WhatsApp acknowledged a send; `keepalive_errors`: in a row, just now.
    """

    pump: bool
    socket: bool
    logged_in: bool
    heard_s: float
    event_s: float | None = None
    sent_s: float | None = None
    keepalive_errors: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """A worker's own figures, and those of its `sessions`. `rows`: inbox rows by kind since the start."""

    pid: int
    rss_bytes: int
    descriptors: int
    descriptor_limit: int
    threads: int
    oldest_call_s: float
    sessions: dict[str, SessionHealth]
    rows: dict[str, int]
    untranslated: int


class Reply(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The answer to a request: a result, or an error's code and sentence."""

    id: int
    error: str | None = None
    sentence: str | None = None
    text: str | None = None
    outcome: Outcome | None = None
    health: Health | None = None


class Alive(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A sign of life of a session."""

    session: str
    life: Life


class Ended(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The engine's thread of a session ended: whatever the reason, it hears nothing any more. `error` is a code of `client.End`."""

    session: str
    error: str
    detail: str = ""


class Qr(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A code to scan. A secret: never logged."""

    session: str
    code: str


class LoginStatus(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """How a pairing went on: `timeout`, `success`, `err-client-outdated`..."""

    session: str
    status: str


class Probed(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """A silent session was asked something: did it answer in time?"""

    session: str
    answered: bool
    detail: str = ""


class PhoneSeen(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """The account's own phone did something at `at_ms` (unix milliseconds). Told now and then, not each time."""

    session: str
    at_ms: int


class LowDisk(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    """This worker has disconnected its sessions: the disk is under its low-water mark, or (not `full`) the inbox takes no row."""

    full: bool = True


Notice = Alive | Ended | Qr | LoginStatus | Probed | PhoneSeen | LowDisk
FromWorker = Reply | Notice

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)


def pack(frame: Request | FromWorker) -> bytes:
    """Answer *frame* with its length before it. Raises `ValueError` when it is too long."""
    body = _encoder.encode(frame)
    if len(body) > MAX_FRAME:
        raise ValueError("frame too long")
    return len(body).to_bytes(4, "big") + body


def read_request(body: bytes) -> AnyRequest:
    """Read what the hub asked. Raises `msgspec.DecodeError`."""
    return _requests.decode(body)


def read_from_worker(body: bytes) -> FromWorker:
    """Read what a worker said. Raises `msgspec.DecodeError`."""
    return _from_worker.decode(body)
