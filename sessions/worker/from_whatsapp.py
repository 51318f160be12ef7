"""From the engine's events to our words. One function a kind; what has none stays raw and can be translated later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neonize.proto import Neonize_pb2 as events

from sessions.model import Address, Delivery, Identity, Life, Message, Receipt, Sign, Typing, Words

CODE_DEVICE = 0
SUBSCRIBED = frozenset({*range(2, 14), *range(16, 28), *range(30, 46)})
"""Event codes asked of the engine: all there are but 0, which comes unasked, and 1, the QR codes, secrets that come elsewhere."""


def translate(code: int, raw: bytes) -> Words | None:
    """Answer the words for an event, or None when there are none yet. Raises whatever a malformed event makes it raise."""
    event, words = EVENTS.get(code, (None, None))
    return words(event.FromString(raw)) if event and words else None


def jid(value: Any) -> str | None:
    """Answer "user@server" of the engine's JID, without device; None for an empty one."""
    return f"{value.User}@{value.Server}" if value.User else None


def full_jid(value: Any) -> str:
    """Answer "user:device@server"."""
    return f"{value.User}:{value.Device}@{value.Server}"


def identity(device: Any) -> Identity:
    """Answer who the linked account is."""
    lid = full_jid(device.LID) if device.LID.User else None
    return Identity(jid=full_jid(device.JID), lid=lid, phone=device.JID.User, push_name=clean(device.PushName))


def clean(text: str) -> str:
    """Answer *text* as a database can hold it: U+0000 becomes U+FFFD. The raw bytes keep the original."""
    return text.replace("\x00", "\ufffd")


def _address(value: Any, alt: Any) -> Address:
    return Address(jid=jid(value) or "", alt=jid(alt), device=value.Device)


def _chat(source: Any) -> Address:
    """The chat and its other name, which for one's own message is the recipient's, for another's the sender's."""
    if source.IsGroup:
        return _address(source.Chat, None_JID)
    return _address(source.Chat, source.RecipientAlt if source.IsFromMe else source.SenderAlt)


class _Nobody:
    User = ""


None_JID = _Nobody()


def _message(event: Any) -> Words | None:
    """A text; one without any content, which a retry may fill; or nothing yet for content that has no words."""
    text, quoted = _text(event.Message)
    if text is None and event.Message.ListFields():
        return None
    return _told(event.Info, None if text is None else clean(text), quoted)


def _undecryptable(event: Any) -> Words:
    """The engine asks the sender to encrypt anew; until then only that something was written is known."""
    return _told(event.Info, None, None)


def _told(info: Any, text: str | None, quoted: str | None) -> Message:
    source = info.MessageSource
    return Message(
        id=clean(info.ID),
        chat=_chat(source),
        sender=_address(source.Sender, source.SenderAlt),
        from_me=source.IsFromMe,
        group=source.IsGroup,
        at_ms=info.Timestamp,
        push_name=clean(info.Pushname),
        text=text,
        quoted_id=clean(quoted) if quoted else None,
    )


def _text(message: Any) -> tuple[str | None, str | None]:
    """The text and the id of the message it answers, for the two kinds of plain text."""
    if message.HasField("conversation"):
        return message.conversation, None
    if message.HasField("extendedTextMessage"):
        extended = message.extendedTextMessage
        return extended.text, extended.contextInfo.stanzaID or None
    return None, None


_DELIVERIES = {
    1: Delivery.DELIVERED,
    9: Delivery.DELIVERED,
    4: Delivery.READ,
    5: Delivery.READ,
    6: Delivery.PLAYED,
    7: Delivery.PLAYED,
}


def _receipt(event: Any) -> Words:
    source = event.MessageSource
    return Receipt(
        ids=tuple(clean(one) for one in event.MessageIDs),
        chat=_chat(source),
        sender=_address(source.Sender, source.SenderAlt),
        kind=_DELIVERIES.get(event.Type, Delivery.OTHER),
        at_ms=event.Timestamp * 1000,
    )


def _typing(event: Any) -> Words:
    source = event.MessageSource
    return Typing(
        chat=_chat(source),
        sender=_address(source.Sender, source.SenderAlt),
        composing=event.State == 1,
        audio=event.Media == 2,
    )


def _paired(event: Any) -> Words:
    if event.Error or event.Status != 2:
        return Life(Sign.PAIR_FAILED, code=str(event.Status))
    return Life(Sign.PAIRED, code=event.Platform)


def _plain(sign: Sign) -> Callable[[Any], Words]:
    return lambda _event: Life(sign)


EVENTS: dict[int, tuple[Any, Callable[[Any], Words | None]]] = {
    CODE_DEVICE: (events.Device, lambda event: Life(Sign.IDENTITY, identity=identity(event))),
    2: (events.PairStatus, _paired),
    3: (events.Connected, _plain(Sign.CONNECTED)),
    4: (events.KeepAliveTimeout, lambda event: Life(Sign.KEEPALIVE_TIMEOUT, code=str(event.ErrorCount))),
    5: (events.KeepAliveRestored, _plain(Sign.KEEPALIVE_RESTORED)),
    6: (events.LoggedOut, lambda event: Life(Sign.LOGGED_OUT, code=str(event.Reason))),
    7: (events.StreamReplaced, _plain(Sign.REPLACED)),
    8: (events.TemporaryBan, lambda event: Life(Sign.BANNED, code=str(event.Code), until_s=event.Expire)),
    9: (events.ConnectFailure, lambda event: Life(Sign.CONNECT_FAILURE, code=str(event.Reason))),
    10: (events.ClientOutdated, _plain(Sign.OUTDATED)),
    11: (events.StreamError, lambda event: Life(Sign.STREAM_ERROR, code=event.Code)),
    12: (events.Disconnected, _plain(Sign.DISCONNECTED)),
    17: (events.Message, _message),
    18: (events.Receipt, _receipt),
    19: (events.ChatPresence, _typing),
    44: (events.UndecryptableMessage, _undecryptable),
    27: (events.OfflineSyncCompleted, lambda event: Life(Sign.OFFLINE_DONE, code=str(event.Count))),
}
"""Code -> protobuf class and translation. Codes as in neonize's own table; the contract test names each."""
