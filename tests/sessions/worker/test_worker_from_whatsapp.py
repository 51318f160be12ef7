"""The engine's events, built with its own protobufs, in our words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neonize.proto import Neonize_pb2
from neonize.proto.waE2E.WAWebProtobufsE2E_pb2 import Message as Content

from sessions.model import Address, Delivery, Identity, Life, Message, Receipt, Sign, Typing, decode, encode, kind_of
from sessions.worker.from_whatsapp import EVENTS, SUBSCRIBED, translate

events: Any = Neonize_pb2
PN, LID, GROUP = "5511999990000", "99000011112222", "120363000000000001"


def jid(user: str = "", server: str = "s.whatsapp.net", device: int = 0) -> Any:
    return events.JID(
        User=user, Server=server, Device=device, RawAgent=0, Integrator=0, IsEmpty=not user
    )  # fmt: skip


def source(**fields: Any) -> Any:
    return events.MessageSource(**(_plain_source() | fields))


def _plain_source() -> dict[str, Any]:
    return {
        "Chat": jid(PN),
        "Sender": jid(PN, device=3),
        "IsFromMe": False,
        "IsGroup": False,
        "AddressingMode": events.AddressingMode.PN,
        "SenderAlt": jid(),
        "RecipientAlt": jid(),
        "BroadcastListOwner": jid(),
    }


def message(content: Any, said_by: Any = None, **info: Any) -> bytes:
    about: dict[str, Any] = {
        "MessageSource": said_by or source(), "ID": "3EB0AA", "ServerID": 0, "Type": "text", "Pushname": "Zé 🌵",
        "Timestamp": 1_700_000_000_123, "Category": "", "Multicast": False, "MediaType": "", "Edit": "",
    }  # fmt: skip
    flags = dict.fromkeys(
        ("IsEphemeral", "IsViewOnce", "IsViewOnceV2", "IsViewOnceV2Extension", "IsDocumentWithCaption", "IsLottieSticker", "IsEdit"),
        False,
    )  # fmt: skip
    return events.Message(
        Info=events.MessageInfo(**(about | info)), Message=content, UnavailableRequestID="", RetryCount=0, **flags
    ).SerializeToString()


TEXT = Message(
    id="3EB0AA", chat=Address(f"{PN}@s.whatsapp.net"), sender=Address(f"{PN}@s.whatsapp.net", device=3), from_me=False,
    group=False, at_ms=1_700_000_000_123, push_name="Zé 🌵", text="Olá, mundo",
)  # fmt: skip


def changed(**fields: Any) -> Message:
    return replace(TEXT, **fields)


def answering(stanza: str) -> Any:
    content = Content()
    content.extendedTextMessage.text = "Olá, mundo"
    content.extendedTextMessage.contextInfo.stanzaID = stanza
    return content


CONTENTS = [
    pytest.param(message(Content(conversation="Olá, mundo")), TEXT, id="text"),
    pytest.param(message(answering("")), TEXT, id="extended text"),
    pytest.param(message(answering("3EB0FF")), changed(quoted_id="3EB0FF"), id="with quote"),
    pytest.param(message(Content(conversation="")), changed(text=""), id="empty text"),
    pytest.param(message(Content(conversation="a\x00b")), changed(text="a\ufffdb"), id="NUL in the text"),
    pytest.param(message(Content(conversation="Olá, mundo"), Pushname="Z\x00"), changed(push_name="Z\ufffd"), id="NUL in a name"),
    pytest.param(message(answering("3E\x00")), changed(quoted_id="3E\ufffd"), id="NUL in a quote"),
    pytest.param(message(Content(conversation="Olá, mundo"), ID="\x00"), changed(id="\ufffd"), id="NUL in an id"),
]  # fmt: skip

SOURCES = [
    pytest.param(
        source(IsFromMe=True, Sender=jid("5511000000000", device=0)),
        {"from_me": True, "sender": Address("5511000000000@s.whatsapp.net")},
        id="own",
    ),
    pytest.param(
        source(Chat=jid(LID, "lid"), Sender=jid(LID, "lid", 7), SenderAlt=jid(PN), AddressingMode=events.AddressingMode.LID),
        {
            "chat": Address(f"{LID}@lid", f"{PN}@s.whatsapp.net"),
            "sender": Address(f"{LID}@lid", f"{PN}@s.whatsapp.net", 7),
        },
        id="by LID, with the number",
    ),
    pytest.param(
        source(SenderAlt=jid(LID, "lid")),
        {
            "chat": Address(f"{PN}@s.whatsapp.net", f"{LID}@lid"),
            "sender": Address(f"{PN}@s.whatsapp.net", f"{LID}@lid", 3),
        },
        id="by number, with the LID",
    ),
    pytest.param(
        source(Chat=jid(LID, "lid"), Sender=jid(LID, "lid")),
        {"chat": Address(f"{LID}@lid"), "sender": Address(f"{LID}@lid")},
        id="by LID, the number not told",
    ),
    pytest.param(
        source(IsFromMe=True, Chat=jid(LID, "lid"), Sender=jid("551100", device=9), RecipientAlt=jid(PN), SenderAlt=jid("77", "lid")),
        {
            "from_me": True,
            "chat": Address(f"{LID}@lid", f"{PN}@s.whatsapp.net"),
            "sender": Address("551100@s.whatsapp.net", "77@lid", 9),
        },
        id="own, to a LID: the other name of the chat is the recipient's",
    ),
    pytest.param(
        source(IsGroup=True, Chat=jid(GROUP, "g.us"), Sender=jid(LID, "lid"), SenderAlt=jid(PN)),
        {
            "group": True,
            "chat": Address(f"{GROUP}@g.us"),
            "sender": Address(f"{LID}@lid", f"{PN}@s.whatsapp.net"),
        },
        id="in a group, whose other name is nobody's",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "words"), CONTENTS)
def test_texts(raw: bytes, words: Message):
    assert translate(17, raw) == words


@pytest.mark.parametrize(("said_by", "fields"), SOURCES)
def test_who_says_it_where(said_by: Any, fields: dict[str, Any]):
    assert translate(17, message(Content(conversation="Olá, mundo"), said_by)) == changed(**fields)


def unknown_contents() -> list[Any]:
    image, reaction, revoke = Content(), Content(), Content()
    image.imageMessage.caption = "a photo"
    reaction.reactionMessage.text = "👍"
    revoke.protocolMessage.key.ID = "3EB0FF"
    return [image, reaction, revoke]


@pytest.mark.parametrize("content", unknown_contents(), ids=["image", "reaction", "revoke"])
def test_a_content_without_words_yet_stays_raw(content: Any):
    assert translate(17, message(content)) is None


@pytest.mark.parametrize("content", [None, Content()], ids=["none", "empty"])
def test_a_message_without_content_holds_the_place_for_one(content: Any):
    assert translate(17, message(content)) == changed(text=None)


def test_a_message_that_cannot_be_decrypted_holds_the_place_for_one():
    about = events.Message.FromString(message(Content())).Info
    mode = events.UndecryptableMessage.DecryptFailModeT.Name(1)
    event = events.UndecryptableMessage(Info=about, IsUnavailable=False, DecryptFailMode=mode)
    assert translate(44, event.SerializeToString()) == changed(text=None)


KINDS = events.Receipt.ReceiptType
RECEIPTS = {
    KINDS.DELIVERED: Delivery.DELIVERED,
    KINDS.INACTIVE: Delivery.DELIVERED,
    KINDS.READ: Delivery.READ,
    KINDS.READ_SELF: Delivery.READ,
    KINDS.PLAYED: Delivery.PLAYED,
    KINDS.PLAYED_SELF: Delivery.PLAYED,
    KINDS.SENDER: Delivery.OTHER,
    KINDS.RETRY: Delivery.OTHER,
    KINDS.SERVER_ERROR: Delivery.OTHER,
    KINDS.PEER_MSG: Delivery.OTHER,
    KINDS.HISTORY_SYNC: Delivery.OTHER,
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_receipts(kind: Any):
    raw = events.Receipt(
        MessageSource=source(SenderAlt=jid(LID, "lid")), MessageIDs=["A", "B\x00"], Timestamp=1_700_000_000, Type=kind
    ).SerializeToString()
    assert translate(18, raw) == Receipt(
        ids=("A", "B\ufffd"),
        chat=Address(f"{PN}@s.whatsapp.net", f"{LID}@lid"),
        sender=Address(f"{PN}@s.whatsapp.net", f"{LID}@lid", 3),
        kind=RECEIPTS[kind],
        at_ms=1_700_000_000_000,
    )


@pytest.mark.parametrize("state", ["COMPOSING", "PAUSED"])
@pytest.mark.parametrize("media", ["TEXT", "AUDIO"])
def test_typing(state: str, media: str):
    raw = events.ChatPresence(MessageSource=source(), State=state, Media=media).SerializeToString()
    assert translate(19, raw) == Typing(
        chat=Address(f"{PN}@s.whatsapp.net"),
        sender=Address(f"{PN}@s.whatsapp.net", device=3),
        composing=state == "COMPOSING",
        audio=media == "AUDIO",
    )


def device(**fields: Any) -> Any:
    plain: dict[str, Any] = {
        "JID": jid(PN, device=12), "LID": jid(LID, "lid", 12), "Platform": "android", "BussinessName": "",
        "PushName": "Zé", "Initialized": True,
    }  # fmt: skip
    return events.Device(**(plain | fields))


def pair_status(**fields: Any) -> Any:
    plain: dict[str, Any] = {"ID": jid(PN), "BusinessName": "", "Platform": "android", "Status": "SUCCESS"}
    return events.PairStatus(**(plain | fields))


NODE = events.Node(Tag="x") if hasattr(events, "Node") else None
REASON = events.ConnectFailureReason
ME = Identity(jid=f"{PN}:12@s.whatsapp.net", lid=f"{LID}:12@lid", phone=PN, push_name="Zé")

LIVES = [
    (0, device(), Life(Sign.IDENTITY, identity=ME)),
    (0, device(LID=jid("", "lid"), PushName="\x00"), Life(Sign.IDENTITY, identity=Identity(ME.jid, None, PN, "\ufffd"))),
    (2, pair_status(), Life(Sign.PAIRED, code="android")),
    (2, pair_status(Status="ERROR", Error="a sentence"), Life(Sign.PAIR_FAILED, code="1")),
    (2, pair_status(Error="a sentence"), Life(Sign.PAIR_FAILED, code="2")),
    (3, events.Connected(status=True), Life(Sign.CONNECTED)),
    (4, events.KeepAliveTimeout(ErrorCount=3, LastSuccess=1), Life(Sign.KEEPALIVE_TIMEOUT, code="3")),
    (5, events.KeepAliveRestored(), Life(Sign.KEEPALIVE_RESTORED)),
    (6, events.LoggedOut(OnConnect=True, Reason=REASON.LOGGED_OUT), Life(Sign.LOGGED_OUT, code="2")),
    (7, events.StreamReplaced(), Life(Sign.REPLACED)),
    (8, events.TemporaryBan(Code=2, Expire=3600), Life(Sign.BANNED, code="2", until_s=3600)),
    (9, events.ConnectFailure(Reason=REASON.EXPERIMENTAL, Message="", Raw=NODE), Life(Sign.CONNECT_FAILURE, code="9")),
    (9, events.ConnectFailure(Reason=REASON.CLIENT_OUTDATED, Message="", Raw=NODE), Life(Sign.CONNECT_FAILURE, code="6")),
    (10, events.ClientOutdated(), Life(Sign.OUTDATED)),
    (11, events.StreamError(Code="463", Raw=NODE), Life(Sign.STREAM_ERROR, code="463")),
    (12, events.Disconnected(status=True), Life(Sign.DISCONNECTED)),
    (27, events.OfflineSyncCompleted(Count=7), Life(Sign.OFFLINE_DONE, code="7")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "event", "life"), LIVES, ids=lambda value: type(value).__name__)
def test_signs_of_life(code: int, event: Any, life: Life):
    words = translate(code, event.SerializePartialToString())
    assert words == life
    assert decode("life", encode(life)) == life


def test_every_sign_is_translated_and_every_event_with_words_is_tried_here():
    assert {life.sign for _code, _event, life in LIVES} == set(Sign)
    assert {code for code, _event, _life in LIVES} | {17, 18, 19, 44} == set(EVENTS)


def test_what_has_words_is_asked_of_the_engine_and_codes_to_scan_are_not():
    assert set(EVENTS) - {0} <= SUBSCRIBED
    assert not {0, 1} & SUBSCRIBED


@pytest.mark.parametrize("code", [13, 20, 46, 999, -1])
def test_an_event_without_words_yet_stays_raw_whatever_it_holds(code: int):
    assert translate(code, b"\xff\xff garbage") is None


@pytest.mark.parametrize("code", sorted(EVENTS))
def test_a_malformed_event_says_so(code: int):
    with pytest.raises(Exception, match=r"."):
        translate(code, b"\xff\xff\xff")


text = st.text(st.sampled_from("\x00\ufffd ") | st.characters(codec="utf-8"), max_size=20)


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from texts_in(inner)
        case _:
            pass


@given(body=text, name=text, quoted=text, ident=text)
def test_nothing_that_somebody_writes_can_be_refused_by_a_database_or_get_lost_on_the_way(
    body: str, name: str, quoted: str, ident: str
):
    words = translate(17, message(answering(quoted), Pushname=name, ID=ident))
    plain = translate(17, message(Content(conversation=body), Pushname=name, ID=ident))
    for one in (words, plain):
        assert isinstance(one, Message)
        assert not any("\x00" in value for value in texts_in(msgspec.to_builtins(one)))
        assert decode(kind_of(one), encode(one)) == one
    assert isinstance(plain, Message)
    assert plain.text == body.replace("\x00", "\ufffd")
