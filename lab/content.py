"""What stands inside a message once it is decrypted, as far as a simulated phone writes and reads it."""

from dataclasses import dataclass
from typing import Final

from lab import fields
from lab.jid import Jid

_CONVERSATION: Final = 1
_EXTENDED_TEXT: Final = 6
_PROTOCOL: Final = 12
_DEVICE_SENT: Final = 31


class ContentError(Exception):
    """These bytes are no message."""


@dataclass(frozen=True, slots=True)
class Content:
    """`kind`: "text", "protocol" (between devices; nobody reads it) or "other". `sent_to`: a copy of what the own
    account sent there."""

    kind: str
    text: str
    sent_to: str = ""


def text(body: str) -> bytes:
    """A plain text message."""
    return fields.write((_CONVERSATION, body.encode()))


def sent(destination: Jid, message: bytes) -> bytes:
    """The copy of a sent message for the own account's other devices."""
    return fields.write((_DEVICE_SENT, fields.write((1, str(destination).encode()), (2, message))))


def read(message: bytes) -> Content:
    """Raises ContentError."""
    try:
        return _read(fields.read(message))
    except (fields.FieldsError, UnicodeDecodeError) as error:
        raise ContentError("not a message") from error


def _read(message: fields.Fields) -> Content:
    if _DEVICE_SENT in message:
        copy = message.message(_DEVICE_SENT)
        inner = _read(copy.message(2))
        return Content(inner.kind, inner.text, copy.bytes(1).decode())
    if _CONVERSATION in message:
        return Content("text", message.bytes(_CONVERSATION).decode())
    if _EXTENDED_TEXT in message:
        return Content("text", message.message(_EXTENDED_TEXT).bytes(1).decode())
    return Content("protocol" if _PROTOCOL in message else "other", "")
