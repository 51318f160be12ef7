"""Messages made from the engine's descriptors."""

from __future__ import annotations

import pytest

from lab.protos import CLIENT_PAYLOAD, MESSAGE, SIGNED_IDENTITY, Protos, ProtosError


@pytest.fixture(scope="module")
def protos(dictionary):
    return Protos(dictionary.descriptors)


def test_a_message_goes_there_and_back(protos):
    message = protos.new(MESSAGE, conversation="oi")
    message.deviceSentMessage.destinationJID = "1@lid"
    read = protos.read(MESSAGE, message.SerializeToString())
    assert (read.conversation, read.deviceSentMessage.destinationJID) == ("oi", "1@lid")


@pytest.mark.parametrize(
    "name",
    [
        MESSAGE,
        CLIENT_PAYLOAD,
        SIGNED_IDENTITY,
        "WACert.CertChain",
        "WAWebProtobufsHistorySync.HistorySync",
        "WAWebProtobufsServerSync.SyncdPatch",
        "WAWebProtobufSyncAction.SyncActionValue",
        "WAWebProtobufsWeb.WebMessageInfo",
    ],
)
def test_the_messages_of_the_protocol_are_there(protos, name):
    assert protos.cls(name).DESCRIPTOR.full_name == name
    assert protos.cls(name) is protos.cls(name)


def test_two_pools_live_side_by_side(dictionary, protos):
    assert Protos(dictionary.descriptors).cls(MESSAGE) is not protos.cls(MESSAGE)


def test_an_unknown_message_is_said_by_name(protos):
    with pytest.raises(ProtosError, match=r"NoSuch\.Message"):
        protos.new("NoSuch.Message")


def test_bytes_that_are_no_message_are_refused(protos):
    with pytest.raises(ProtosError, match="not a"):
        protos.read(MESSAGE, b"\xff\xff\xff")
