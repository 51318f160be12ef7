"""From our words to the engine's messages, and from the engine's answers back to outcomes."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from neonize.proto import Neonize_pb2
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2

from sessions.errors import NotAnAddress, SendError
from sessions.model import Outcome, SendStatus


def text_message(text: str) -> bytes:
    """Answer a plain text. Built here: neonize's own helper turns every "@digits" into a mention."""
    return WAWebProtobufsE2E_pb2.Message(conversation=text).SerializeToString()


def jid_bytes(jid: str) -> bytes:
    """Answer the engine's JID for "user@server". Raises `NotAnAddress`."""
    return _jid(jid).SerializeToString()


def jid_bytes_of_many(*jids: str) -> bytes:
    """Answer the engine's list of them. Raises `NotAnAddress`."""
    return Neonize_pb2.JIDArray(JIDS=map(_jid, jids)).SerializeToString()


def _jid(jid: str) -> Any:
    user, at, server = jid.partition("@")
    if not (user and at and server):
        raise NotAnAddress
    return Neonize_pb2.JID(User=user, Server=server, Device=0, RawAgent=0, Integrator=0, IsEmpty=False)


def outcome(ref: str, to: str, answer: bytes) -> Outcome:
    """Read what SendMessage answered. An answer that names no message says nothing about it."""
    try:
        result: Any = Neonize_pb2.SendMessageReturnFunction.FromString(answer)
    except DecodeError:
        return Outcome(ref=ref, status=SendStatus.UNKNOWN, to=to, error=SendError.ENGINE)
    if result.Error:
        status, code = classify(result.Error)
        return Outcome(ref=ref, status=status, to=to, error=code)
    response = result.SendResponse
    if not response.ID:
        return Outcome(ref=ref, status=SendStatus.UNKNOWN, to=to, error=SendError.ENGINE)
    return Outcome(ref=ref, status=SendStatus.SENT, to=to, message_id=response.ID, at_ms=response.Timestamp * 1000)


# The engine answers with sentences only. Those that name a step before the message leaves are certain failures; whatever is
# not recognised may have left, and is unknown: nothing is sent twice because a sentence changed.
_SENTENCES = (
    ("websocket not connected", SendStatus.FAILED, SendError.NOT_CONNECTED),
    ("store doesn't contain a device JID", SendStatus.FAILED, SendError.NOT_CONNECTED),
    ("client is nil", SendStatus.FAILED, SendError.NOT_CONNECTED),
    ("no LID found", SendStatus.FAILED, SendError.NOT_ON_WHATSAPP),
    ("failed to get device list", SendStatus.FAILED, SendError.ENGINE),
    ("failed to get user info", SendStatus.FAILED, SendError.ENGINE),
    ("failed to encrypt", SendStatus.FAILED, SendError.ENGINE),
    ("server returned error", SendStatus.FAILED, SendError.REJECTED),
    ("timed out", SendStatus.UNKNOWN, SendError.TIMED_OUT),
)


def classify(sentence: str) -> tuple[SendStatus, str]:
    """Sort the engine's sentence about a failed send. The sentence itself may name people: it goes no further than this."""
    for part, status, code in _SENTENCES:
        if part in sentence:
            number = sentence.rpartition("error ")[2].strip()
            named = code == SendError.REJECTED and number.isascii() and number.isdecimal() and len(number) < 6
            return status, f"{code}_{number}" if named else code
    return SendStatus.UNKNOWN, SendError.ENGINE
