"""Everything of neonize that is relied on, by name. neonize's version is pinned because most of this is private to it.

When a test here fails, a new version differs in a way that matters: its sentence says what to verify again before the pin is raised.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message as Proto
from neonize.proto import Neonize_pb2
from neonize.proto.waCompanionReg import WAWebProtobufsCompanionReg_pb2
from neonize.proto.waE2E import WAWebProtobufsE2E_pb2

from sessions.worker import lab_mode, library, unencrypted
from sessions.worker.from_whatsapp import EVENTS, SUBSCRIBED

ROOT = Path(__file__).parents[3]
proto: Any = Neonize_pb2
e2e: Any = WAWebProtobufsE2E_pb2
companion: Any = WAWebProtobufsCompanionReg_pb2


def again(what: str) -> str:
    return f"neonize {version('neonize')} is not the {library.PINNED} this was written for. Verify again, then change the pin: {what}"


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """How neonize declares what we use, and how we do."""
    probe = Path(__file__).with_name("binder_probe.py")
    ran = subprocess.run([sys.executable, "-I", str(probe)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, again(f"neonize's modules `_binder` and `events` cannot be read any more\n{ran.stderr}")
    return json.loads(ran.stdout)


# -- the version -------------------------------------------------------------------------------------------------------


def test_one_version_is_meant_everywhere():
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert f"neonize=={library.PINNED}" in pins, "pyproject.toml and sessions/worker/library.py name different versions"
    assert version("neonize") == library.PINNED, again("all of this file")


def test_the_library_says_which_it_is():
    go = library.load().go
    assert go.GetVersion().decode() == library.PINNED, again("the library in the wheel is another one")


# -- the functions of the library --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", library.FUNCTIONS)
def test_a_function_takes_and_answers_what_neonize_says_it_does(declared: dict[str, Any], name: str):
    ours, theirs = (declared[side]["functions"][name] for side in ("ours", "theirs"))
    assert ours == theirs, again(
        f"`{name}` in sessions/worker/library.py against neonize/_binder.py: a wrong one aborts"
    )


def test_bytes_are_answered_in_the_shape_that_neonize_says(declared: dict[str, Any]):
    assert declared["ours"]["answer"] == declared["theirs"]["answer"], again("`Answer` in sessions/worker/library.py")


def test_every_function_is_exported_and_its_answers_are_given_back():
    go = library.load().go
    for name in (*library.FUNCTIONS, "GetVersion", "FreeString", "FreeBytesStruct"):
        assert getattr(go, name, None) is not None, again(f"the library has no `{name}` any more")


# -- events ------------------------------------------------------------------------------------------------------------

READ: dict[int, tuple[str, set[str]]] = {
    0: ("neonize.Device", {"JID.User", "JID.Server", "JID.Device", "LID.User", "LID.Server", "LID.Device", "PushName"}),
    2: ("neonize.PairStatus", {"Error", "Status", "Platform"}),
    3: ("neonize.Connected", set()),
    4: ("neonize.KeepAliveTimeout", {"ErrorCount"}),
    5: ("neonize.KeepAliveRestored", set()),
    6: ("neonize.LoggedOut", {"Reason"}),
    7: ("neonize.StreamReplaced", set()),
    8: ("neonize.TemporaryBan", {"Code", "Expire"}),
    9: ("neonize.ConnectFailure", {"Reason"}),
    10: ("neonize.ClientOutdated", set()),
    11: ("neonize.StreamError", {"Code"}),
    12: ("neonize.Disconnected", set()),
    17: (
        "neonize.Message",
        {
            "Info.ID", "Info.Timestamp", "Info.Pushname",
            *(f"Info.MessageSource.{one}" for one in (
                "IsGroup", "IsFromMe", "Chat.User", "Chat.Server", "Chat.Device", "RecipientAlt.User", "RecipientAlt.Server",
                "Sender.User", "Sender.Server", "Sender.Device", "SenderAlt.User", "SenderAlt.Server",
            )),
            "Message.conversation", "Message.extendedTextMessage.text", "Message.extendedTextMessage.contextInfo.stanzaID",
        },
    ),
    18: (
        "neonize.Receipt",
        {
            "MessageIDs", "Type", "Timestamp",
            *(f"MessageSource.{one}" for one in (
                "IsGroup", "IsFromMe", "Chat.User", "Chat.Server", "Chat.Device", "RecipientAlt.User", "RecipientAlt.Server",
                "Sender.User", "Sender.Server", "Sender.Device", "SenderAlt.User", "SenderAlt.Server",
            )),
        },
    ),
    19: (
        "neonize.ChatPresence",
        {
            "State", "Media",
            *(f"MessageSource.{one}" for one in (
                "IsGroup", "IsFromMe", "Chat.User", "Chat.Server", "Chat.Device", "RecipientAlt.User", "RecipientAlt.Server",
                "Sender.User", "Sender.Server", "Sender.Device", "SenderAlt.User", "SenderAlt.Server",
            )),
        },
    ),
    27: ("neonize.OfflineSyncCompleted", {"Count"}),
    44: (
        "neonize.UndecryptableMessage",
        {
            "Info.ID", "Info.Timestamp", "Info.Pushname",
            *(f"Info.MessageSource.{one}" for one in (
                "IsGroup", "IsFromMe", "Chat.User", "Chat.Server", "Chat.Device", "RecipientAlt.User", "RecipientAlt.Server",
                "Sender.User", "Sender.Server", "Sender.Device", "SenderAlt.User", "SenderAlt.Server",
            )),
        },
    ),
}  # fmt: skip
"""Event code -> its protobuf, and every field of it that is read."""


def test_every_event_that_is_translated_is_named_above():
    assert set(READ) == set(EVENTS), "sessions/worker/from_whatsapp.py translates other events than this file verifies"


@pytest.mark.parametrize("code", READ)
def test_an_events_code_and_protobuf_are_neonizes(declared: dict[str, Any], code: int):
    name, _fields = READ[code]
    assert EVENTS[code][0].DESCRIPTOR.full_name == name
    assert declared["theirs"]["events"].get(str(code)) == name, again(f"event code {code} is {name}")


@pytest.mark.parametrize(
    ("code", "path"), [(code, path) for code, (_, fields) in READ.items() for path in sorted(fields)]
)
def test_a_field_that_is_read_is_there(code: int, path: str):
    descriptor = EVENTS[code][0].DESCRIPTOR
    for name in path.split("."):
        assert descriptor is not None
        assert name in descriptor.fields_by_name, again(f"{READ[code][0]} has no field {path}")
        descriptor = descriptor.fields_by_name[name].message_type


class Reading:
    """A protobuf message that writes down which of its fields are read."""

    def __init__(self, message: Proto, read: set[str], path: str = "") -> None:
        self._message = message
        self._read = read
        self._path = path

    def __getattr__(self, name: str) -> Any:
        value: Any = getattr(self._message, name)
        if isinstance(value, Proto):
            return Reading(value, self._read, f"{self._path}{name}.")
        self._read.add(f"{self._path}{name}")
        return value

    def HasField(self, name: str) -> bool:
        return self._message.HasField(name)

    def ListFields(self) -> Any:
        return self._message.ListFields()


def spoken() -> Iterator[tuple[int, Any]]:
    """Events of every kind, so filled that every branch of the translation is taken."""
    for code, (kind, _words) in EVENTS.items():
        event = kind()
        yield code, event
        if code in (0, 17, 18, 19, 44):
            yield code, filled(kind, own=False)
            yield code, filled(kind, own=True)
    succeeded = proto.PairStatus(Status="SUCCESS", Platform="android")
    yield 2, succeeded


def filled(kind: Any, *, own: bool) -> Any:
    event = kind()
    fill(event)
    told = event.Info if kind in (proto.Message, proto.UndecryptableMessage) else event
    source = getattr(told, "MessageSource", None)
    if source is not None:
        source.IsFromMe, source.IsGroup = own, False
    if kind is proto.Message:
        event.Message.Clear()
        if own:
            event.Message.conversation = "x"
        else:
            event.Message.extendedTextMessage.text = "x"
            event.Message.extendedTextMessage.contextInfo.stanzaID = "x"
    return event


def fill(message: Any, depth: int = 4) -> None:
    """Put something into every text, and go into every message."""
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated or not depth or message.DESCRIPTOR.full_name == "WAWebProtobufsE2E.Message":
            continue
        if field.message_type is not None:
            fill(getattr(message, field.name), depth - 1)
        elif field.cpp_type == field.CPPTYPE_STRING and field.type == field.TYPE_STRING:
            setattr(message, field.name, "1")


def test_no_other_field_is_read():
    read: dict[int, set[str]] = {code: set() for code in EVENTS}
    for code, event in spoken():
        EVENTS[code][1](Reading(event, read[code]))
    for code, paths in read.items():
        assert paths <= READ[code][1], (
            f"event {code}: name the new fields in `READ`, so that the next version is held to them"
        )
        assert paths == READ[code][1], f"event {code}: fields are named in `READ` that nothing reads"


def test_all_events_are_asked_for(declared: dict[str, Any]):
    every = {int(code) for code in declared["theirs"]["events"]}
    assert every - {0, 1} == SUBSCRIBED, again("`SUBSCRIBED`: what the engine is not asked for it does not keep either")


# -- values ------------------------------------------------------------------------------------------------------------

VALUES: list[tuple[Any, dict[str, int], str]] = [
    (proto.PairStatus.PStatus, {"ERROR": 1, "SUCCESS": 2}, "from_whatsapp._paired"),
    (
        proto.Receipt.ReceiptType,
        {
            "DELIVERED": 1, "SENDER": 2, "RETRY": 3, "READ": 4, "READ_SELF": 5, "PLAYED": 6, "PLAYED_SELF": 7,
            "SERVER_ERROR": 8, "INACTIVE": 9, "PEER_MSG": 10, "HISTORY_SYNC": 11,
        },
        "from_whatsapp._DELIVERIES",
    ),
    (proto.ChatPresence.ChatPresence, {"COMPOSING": 1, "PAUSED": 2}, "from_whatsapp._typing"),
    (proto.ChatPresence.ChatPresenceMedia, {"TEXT": 1, "AUDIO": 2}, "from_whatsapp._typing"),
    (
        proto.ConnectFailureReason,
        {
            "GENERIC": 1, "LOGGED_OUT": 2, "TEMP_BANNED": 3, "MAIN_DEVICE_GONE": 4, "UNKNOWN_LOGOUT": 5, "CLIENT_OUTDATED": 6,
            "BAD_USER_AGENT": 7, "INTERNAL_SERVER_ERROR": 8, "EXPERIMENTAL": 9, "SERVICE_UNAVAILABLE": 10,
        },
        "policy._CONNECT_FAILURES",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "where"), VALUES, ids=[where for *_, where in VALUES])
def test_the_numbers_mean_what_they_meant(kind: Any, values: dict[str, int], where: str):
    assert dict(kind.items()) == values, again(f"the numbers in sessions: {where}")


CALLED: list[tuple[Any, set[str]]] = [
    (proto.JID, {"User", "Server", "Device", "RawAgent", "Integrator", "IsEmpty"}),
    (proto.SendMessageReturnFunction, {"Error", "SendResponse"}),
    (proto.SendResponse, {"ID", "Timestamp"}),
    (proto.LogEntry, {"Message"}),
    (proto.JIDArray, {"JIDS"}),
    (proto.GetUserDevicesreturnFunction, {"JID", "Error"}),
    (proto.GetBlocklistReturnFunction, {"Error"}),
    (proto.IsOnWhatsAppReturnFunction, {"Error", "IsOnWhatsAppResponse"}),
    (proto.IsOnWhatsAppResponse, {"JID", "IsIn"}),
    (proto.PairPhoneParams, {"phone", "showPushNotification", "clientType", "clientDisplayName"}),
    (proto.PairPhoneReturnFunction, {"Code", "Error"}),
    (companion.DeviceProps, {"os", "platformType"}),
    (e2e.Message, {"conversation"}),
]


@pytest.mark.parametrize(("kind", "fields"), CALLED, ids=[kind.DESCRIPTOR.name for kind, _fields in CALLED])
def test_what_calls_say_and_are_answered_has_its_fields(kind: Any, fields: set[str]):
    missing = fields - set(kind.DESCRIPTOR.fields_by_name)
    assert not missing, again(
        f"{kind.DESCRIPTOR.full_name} has no {missing} (sessions/worker/client.py, to_whatsapp.py)"
    )


def test_this_device_may_call_itself_a_browser():
    assert companion.DeviceProps.CHROME == 1, again("how this device shows on the phone (client._device_properties)")


def test_the_engine_still_says_for_whom_it_could_not_encrypt():
    found = library.load().path.read_bytes().count(unencrypted.FORMAT.encode())
    assert found == 1, again("sessions/worker/unencrypted.py: else what nobody was sent is called sent")


# -- memory ------------------------------------------------------------------------------------------------------------


def test_the_root_key_stands_once_in_the_library():
    found = library.load().path.read_bytes().count(lab_mode.WHATSAPP_ROOT_KEY)
    assert found == 1, again(
        "sessions/worker/lab_mode.py: where the engine keeps the key its servers are checked against"
    )


def test_the_root_key_is_found_once_in_memory_and_in_a_place_that_can_be_written():
    path = library.load().path
    writable: Callable[[Path], Iterator[tuple[int, bytes]]] = lab_mode._writable_memory
    found = sum(data.count(lab_mode.WHATSAPP_ROOT_KEY) for _start, data in writable(path))
    assert found == 1, again("sessions/worker/lab_mode.py: the key's place in memory")
