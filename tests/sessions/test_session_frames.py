"""What hub and worker say to each other arrives as it was said."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from sessions import frames
from sessions.model import Identity, Life, Outcome, SendStatus, Sign

REQUESTS: list[frames.AnyRequest] = [
    frames.Configure(
        id=1, deadline_s=60.0, name="w1", inbox="/data/caixa é.db", low_water_bytes=1 << 40, sync="normal",
        lab=frames.LabKeys(proxy="http://127.0.0.1:1", root_key="ab" * 32),
    ),
    frames.Configure(id=1, deadline_s=60.0, name="w1", inbox="/x", low_water_bytes=0, sync="full", lab=None),
    frames.Open(id=2, deadline_s=3.0, session="s", path="/data/s.db"),
    frames.Close(id=3, deadline_s=1.5, session="s"),
    frames.Logout(id=4, deadline_s=1.5, session="s"),
    frames.Send(id=5, deadline_s=1.5, session="s", ref="r", to="5511@s.whatsapp.net", text="olá \x00 🌵"),
    frames.PairCode(id=6, deadline_s=1.5, session="s", phone="5511999990000"),
    frames.OnWhatsApp(id=7, deadline_s=1.5, session="s", phone="5511999990000"),
    frames.Ping(id=8, deadline_s=1.5),
    frames.Drain(id=2**53, deadline_s=1.5),
]  # fmt: skip

HEALTH = frames.Health(
    pid=7, rss_bytes=1 << 33, descriptors=5, descriptor_limit=9, threads=3, oldest_call_s=0.25,
    sessions={"s": frames.SessionHealth(pump=True, socket=True, logged_in=True, heard_s=1.5)}, rows={"message": 3}, untranslated=1,
)  # fmt: skip
WHO = Identity(jid="5511:1@s.whatsapp.net", lid="99:1@lid", phone="5511", push_name="Zé")

ANSWERS: list[frames.FromWorker] = [
    frames.Reply(id=1),
    frames.Reply(id=1, health=HEALTH),
    frames.Reply(id=2, error="locked", sentence="Another process still holds this session's file."),
    frames.Reply(id=3, text="ABCD1234"),
    frames.Reply(id=4, outcome=Outcome("r", SendStatus.SENT, "5511@s.whatsapp.net", "3EB0", 1_700_000_000_000)),
    frames.Reply(id=5, outcome=Outcome("r", SendStatus.UNKNOWN, "5511@s.whatsapp.net", error="timed_out")),
    frames.Alive(session="s", life=Life(Sign.IDENTITY, identity=WHO)),
    frames.Alive(session="s", life=Life(Sign.BANNED, code="2", until_s=60)),
    frames.Ended(session="s", error="pump_dead", detail="required field"),
    frames.Qr(session="s", code="2@abc"),
    frames.LoginStatus(session="s", status="timeout"),
    frames.Probed(session="s", answered=False, detail="Busy"),
    frames.PhoneSeen(session="s", at_ms=1_700_000_000_000),
    frames.LowDisk(),
]


def body_of(packed: bytes) -> bytes:
    assert int.from_bytes(packed[:4], "big") == len(packed) - 4
    return packed[4:]


@pytest.mark.parametrize("frame", REQUESTS, ids=lambda frame: type(frame).__name__)
def test_a_request_arrives_as_it_was_asked(frame: frames.AnyRequest):
    read = frames.read_request(body_of(frames.pack(frame)))
    assert read == frame
    assert type(read) is type(frame)


@pytest.mark.parametrize("frame", ANSWERS, ids=lambda frame: type(frame).__name__)
def test_an_answer_arrives_as_it_was_given(frame: frames.FromWorker):
    read = frames.read_from_worker(body_of(frames.pack(frame)))
    assert read == frame
    assert type(read) is type(frame)


def test_the_lists_above_name_every_frame():
    assert {type(frame) for frame in REQUESTS} == set(get_args(frames.AnyRequest))
    assert {type(frame) for frame in ANSWERS} == set(get_args(frames.FromWorker))


@pytest.mark.parametrize("frame", [*REQUESTS, *ANSWERS], ids=lambda frame: type(frame).__name__)
def test_neither_side_takes_the_others_frames(frame: Any):
    read = frames.read_from_worker if frame in REQUESTS else frames.read_request
    with pytest.raises(msgspec.DecodeError):
        read(body_of(frames.pack(frame)))


@pytest.mark.parametrize("garbage", [b"", b"\xc1", b"hello", b"\x80", msgspec.msgpack.encode({"type": "Nothing"})])
def test_garbage_is_no_frame(garbage: bytes):
    for read in (frames.read_request, frames.read_from_worker):
        with pytest.raises(msgspec.DecodeError):
            read(garbage)


def test_the_longest_frame_passes_and_a_longer_one_is_refused():
    def send(text: str) -> frames.Send:
        return frames.Send(id=1, deadline_s=1.0, session="s", ref="r", to="x@y", text=text)

    room = frames.MAX_FRAME - (len(frames.pack(send("x" * 65536))) - 4 - 65536)
    assert len(frames.pack(send("x" * room))) == frames.MAX_FRAME + 4
    with pytest.raises(ValueError, match="too long"):
        frames.pack(send("x" * (room + 1)))
