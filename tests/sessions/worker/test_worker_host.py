"""The sessions of a worker, on an engine that does what the test says."""

from __future__ import annotations

import asyncio
import ctypes
from typing import Any

import pytest
from neonize.proto import Neonize_pb2

from sessions import frames
from sessions.errors import Busy, EngineRefused, FixUs, Locked, SendError, SessionsError, UnknownSession
from sessions.locks import FileLock
from sessions.model import Life, Outcome, SendStatus, Sign
from sessions.worker import host as host_module
from sessions.worker.client import DSN
from sessions.worker.from_whatsapp import SUBSCRIBED
from sessions.worker.host import refusal

proto: Any = Neonize_pb2
ME = "5511999990000"
ONE, TWO = "0001-one", "0002-two"
TO = "5511888880000@s.whatsapp.net"


def signs(told: list[Any], session: str) -> list[Sign]:
    return [one.life.sign for one in told if isinstance(one, frames.Alive) and one.session == session]


# -- opening -----------------------------------------------------------------------------------------------------------


async def test_an_opened_session_is_locked_running_and_says_who_it_is(bench, until):
    await bench.open(ONE)
    assert not FileLock.free(bench.path(ONE).with_suffix(".lock"))
    await until(lambda: bench.host.seats[ONE].online)
    assert signs(bench.told, ONE) == [Sign.IDENTITY, Sign.CONNECTED]
    assert [row.kind for row in bench.inbox.rows] == ["life", "life"]


async def test_the_engine_is_started_on_the_sessions_own_file_and_asked_for_all_events(bench):
    await bench.open(ONE)
    session = bench.go.sessions[ONE]
    assert session.database.decode() == DSN.format(path=bench.path(ONE))
    assert b"_journal_mode=WAL" in session.database
    assert set(session.subscribed) == SUBSCRIBED
    assert session.proxy is None


async def test_in_the_lab_the_engine_goes_through_its_proxy(make_bench, tmp_path):
    bench = make_bench(tmp_path, frames.LabKeys(proxy="http://127.0.0.1:9", root_key="00"))
    await bench.open(ONE)
    assert bench.go.sessions[ONE].proxy == b"http://127.0.0.1:9"
    await bench.close(ONE)


async def test_opened_twice_it_is_started_once(bench):
    await asyncio.gather(bench.open(ONE), bench.open(ONE))
    assert bench.go.of(ONE) == ["Neonize"]


async def test_a_session_that_another_process_holds_is_refused_and_takes_no_place(bench):
    lock = FileLock(bench.path(ONE).with_suffix(".lock"))
    lock.take()
    with pytest.raises(Locked):
        await bench.open(ONE)
    assert bench.host.seats == {}
    assert bench.go.calls == []
    lock.release()
    await bench.open(ONE)


async def test_starts_go_one_at_a_time(bench, until):
    begun: list[Any] = []
    bench.go.on_start = begun.append
    opening = [asyncio.create_task(bench.open(name)) for name in (ONE, TWO)]
    await until(lambda: begun)
    begun[0].event(26)
    assert len(begun) == 1, "the first has not shown what becomes of it"
    begun[0].known()
    await until(lambda: len(begun) == 2)
    begun[1].known()
    await asyncio.gather(*opening)


async def test_a_start_that_shows_nothing_holds_the_next_up_only_until_its_deadline(bench):
    bench.go.on_start = lambda session: None
    await bench.open(ONE, deadline_s=0.01)
    bench.go.on_start = lambda session: session.connected()
    await bench.open(TWO)
    assert bench.host.seats[TWO].client.known
    assert not bench.host.seats[ONE].client.known
    for session in bench.go.sessions.values():
        session.end("failed to dial")


async def test_codes_and_how_the_login_goes_are_told(bench, until):
    def pair(session: Any) -> None:
        session.qr("2@first")
        session.login_status("timeout")

    bench.go.on_start = pair
    await bench.open(ONE)
    await until(lambda: len(bench.told) == 2)
    assert bench.told == [frames.Qr(session=ONE, code="2@first"), frames.LoginStatus(session=ONE, status="timeout")]
    assert bench.inbox.rows == [], "a code is a secret: it is nowhere on disk"


# -- closing -----------------------------------------------------------------------------------------------------------


async def test_closed_it_is_disconnected_then_stopped_and_its_file_is_free(bench):
    await bench.open(ONE)
    await bench.close(ONE)
    assert bench.go.of(ONE) == ["Neonize", "Disconnect", "Stop"]
    assert FileLock.free(bench.path(ONE).with_suffix(".lock"))
    assert bench.host.seats == {}
    assert bench.inbox.released == [ONE], "should it come back, its rows follow those it left elsewhere meanwhile"
    assert not [one for one in bench.told if isinstance(one, frames.Ended)], "asked for, so no news"


async def test_what_the_engine_still_hands_over_while_it_is_closed_is_kept(bench):
    await bench.open(ONE)
    session = bench.go.sessions[ONE]
    disconnect = bench.go.Disconnect

    def last_words(name: bytes) -> None:
        disconnect(name)
        for number in range(50):
            session.event(20, bytes([number]))

    bench.go.Disconnect = last_words
    await bench.close(ONE)
    assert [row.raw for row in bench.inbox.rows if row.code == 20] == [bytes([number]) for number in range(50)]


async def test_a_closed_session_can_be_opened_again(bench):
    for _ in range(3):
        await bench.open(ONE)
        await bench.close(ONE)
    assert bench.go.of(ONE) == ["Neonize", "Disconnect", "Stop"] * 3


async def test_to_close_what_is_not_open_is_no_fault(bench):
    assert await bench.close(ONE) == frames.Reply(id=2)


async def test_closed_twice_at_once_it_is_stopped_and_vacated_once_for_both(bench):
    await bench.open(ONE)
    await asyncio.gather(bench.close(ONE), bench.close(ONE))
    assert bench.host.seats == {}
    assert FileLock.free(bench.path(ONE).with_suffix(".lock"))
    await bench.open(ONE)
    assert ONE in bench.host.seats


async def test_one_that_does_not_let_go_is_said_to_be_stuck_and_keeps_its_place(bench):
    await bench.open(ONE)
    bench.go.sessions[ONE].deaf_to_stop = True
    with pytest.raises(FixUs):
        await bench.close(ONE)
    assert not FileLock.free(bench.path(ONE).with_suffix(".lock")), "the engine still writes to that file"


async def test_one_that_still_dials_is_never_stopped_only_waited_for(bench):
    """To stop it then can abort the whole process."""
    bench.go.on_start = lambda session: None
    await bench.open(ONE, deadline_s=0.01)
    with pytest.raises(FixUs):
        await bench.close(ONE)
    assert bench.go.of(ONE) == ["Neonize"]
    bench.go.sessions[ONE].end("failed to dial whatsapp web websocket: refused")
    await bench.close(ONE)
    assert bench.go.of(ONE) == ["Neonize"]
    assert FileLock.free(bench.path(ONE).with_suffix(".lock"))


async def test_one_that_waits_for_its_start_is_closed_at_once_and_never_started(bench, until):
    begun: list[Any] = []
    bench.go.on_start = begun.append
    first = asyncio.create_task(bench.open(ONE))
    await until(lambda: begun)
    second = asyncio.create_task(bench.open(TWO))
    await until(lambda: TWO in bench.host.seats)
    await bench.close(TWO)
    assert FileLock.free(bench.path(TWO).with_suffix(".lock"))
    begun[0].known()
    await asyncio.gather(first, second)
    assert bench.go.of(TWO) == []
    await bench.open(ONE)


async def test_all_are_disconnected_even_if_one_cannot_be(bench):
    for name in (ONE, TWO):
        await bench.open(name)
    disconnect = bench.go.Disconnect

    def fail_for_one(name: bytes) -> None:
        disconnect(name)
        if name.decode() == ONE:
            raise OSError

    bench.go.Disconnect = fail_for_one
    await bench.host.disconnect_all()
    assert bench.go.of(ONE)[1:] == bench.go.of(TWO)[1:] == ["Disconnect"]


# -- ends that nobody asked for ----------------------------------------------------------------------------------------

ENDS = [
    ("failed to dial whatsapp web websocket: dial tcp: refused", False, "unreachable", "failed to dial whatsapp web websocket"),
    ("noise handshake failed: EOF", False, "unreachable", "noise handshake failed"),
    ("proto: required field neonize.Receipt.Type not set", True, "pump_dead", "proto"),
    ("proto: required field neonize.Receipt.Type not set", False, "pump_dead", "proto"),
    ("something else about 5511999990000: x", False, "engine", "something else about 5511999990000"),
    ("", True, "pump_dead", ""),
]  # fmt: skip


@pytest.mark.parametrize(("error", "known", "end", "detail"), ENDS)
async def test_an_end_of_the_engines_thread_is_told_with_its_kind(bench, until, error, known, end, detail):
    bench.go.on_start = lambda session: session.known() if known else None
    await bench.open(ONE, deadline_s=0.01)
    if known:
        await until(lambda: bench.host.seats[ONE].client.known)
    bench.go.sessions[ONE].end(error)
    await until(lambda: [one for one in bench.told if isinstance(one, frames.Ended)])
    assert bench.told[-1] == frames.Ended(session=ONE, error=end, detail=detail)
    assert not bench.host.seats[ONE].online


async def test_after_its_end_nothing_of_the_engine_is_asked_about_it(bench, until):
    """The engine aborts the process when it is asked about a session it does not know."""
    await bench.open(ONE)
    bench.go.sessions[ONE].end("required field")
    await until(lambda: [one for one in bench.told if isinstance(one, frames.Ended)])
    outcome = await bench.send(ONE, "too late")
    assert (outcome.status, outcome.error) == (SendStatus.FAILED, SendError.NOT_CONNECTED)
    assert bench.outcomes == [outcome]
    with pytest.raises(EngineRefused):
        await bench.host.logout(frames.Logout(id=1, deadline_s=1.0, session=ONE))
    await bench.close(ONE)
    assert bench.go.of(ONE) == ["Neonize"]
    assert FileLock.free(bench.path(ONE).with_suffix(".lock"))


async def test_whether_a_session_is_online_follows_its_signs(bench):
    await bench.open(ONE)
    for sign, online in [
        (Sign.CONNECTED, True), (Sign.OFFLINE_DONE, True), (Sign.DISCONNECTED, False), (Sign.CONNECTED, True),
        (Sign.REPLACED, False), (Sign.CONNECTED, True), (Sign.LOGGED_OUT, False), (Sign.KEEPALIVE_TIMEOUT, False),
    ]:  # fmt: skip
        bench.host.on_life(ONE, Life(sign))
        assert bench.host.seats[ONE].online is online, sign


# -- sending -----------------------------------------------------------------------------------------------------------


async def test_a_send_is_answered_with_its_outcome_which_is_on_disk_by_then(bench):
    await bench.open(ONE)
    outcome = await bench.send(ONE, "olá")
    assert outcome == Outcome("ref-olá", SendStatus.SENT, TO, "ID-olá", 1_700_000_000_000)
    assert bench.outcomes == [outcome]


THEIRS = "222000@lid"
LEFT_OUT = [
    # for whom it could not be encrypted, the devices of the recipient's; and how the send ended
    ([THEIRS], [0], SendStatus.FAILED, SendError.NO_KEYS),
    ([THEIRS, "222000:4@lid"], [0, 4], SendStatus.FAILED, SendError.NO_KEYS),
    ([f"{ME}@s.whatsapp.net", THEIRS], [0], SendStatus.FAILED, SendError.NO_KEYS),
    ([THEIRS], [0, 4], SendStatus.SENT, None),
    (["222000:4@lid"], [0, 4], SendStatus.SENT, None),
    ([f"{ME}@s.whatsapp.net"], None, SendStatus.SENT, None),
    ([THEIRS], "unreachable", SendStatus.UNKNOWN, SendError.ENGINE),
    ([THEIRS], [], SendStatus.UNKNOWN, SendError.ENGINE),
    ([THEIRS], [4], SendStatus.UNKNOWN, SendError.ENGINE),
]


@pytest.mark.parametrize(("left_out", "devices", "status", "error"), LEFT_OUT)
async def test_what_the_engine_calls_sent_and_encrypted_for_nobody_has_failed(
    bench, until, left_out, devices, status, error
):
    """One of the recipient's devices is enough; the own phone's copy does not matter."""
    await bench.open(ONE)
    await until(lambda: bench.host.seats[ONE].user)

    answer = bench.go.SendMessage

    def send(*arguments: Any) -> bytes:
        for device in left_out:
            bench.go.sessions[ONE].log(f"Failed to encrypt ID-oi for {device}: can't encrypt message")
        return answer(*arguments)

    def known() -> bytes:
        jids = [proto.JID(User="222000", Server="lid", Device=one, RawAgent=0, Integrator=0) for one in devices]
        return proto.GetUserDevicesreturnFunction(JID=jids).SerializePartialToString()

    bench.go.SendMessage = send
    bench.go.devices = known
    if devices == "unreachable":
        bench.go.devices = lambda: proto.GetUserDevicesreturnFunction(Error="x").SerializePartialToString()
    outcome = await bench.send(ONE, "oi")
    assert (outcome.status, outcome.error) == (status, error)
    assert (outcome.message_id is not None) is (status is SendStatus.SENT)
    assert bench.outcomes == [outcome], "one outcome, on disk"
    assert ("GetUserDevices" in bench.go.of(ONE)) is (devices is not None)
    assert (bench.host.seats[ONE].client.last_sent is not None) is (status is SendStatus.SENT)


async def test_a_text_to_many_that_one_could_not_be_given_is_sent(bench, until):
    """The others read it."""
    await bench.open(ONE)
    await until(lambda: bench.host.seats[ONE].user)
    answer = bench.go.SendMessage

    def send(*arguments: Any) -> bytes:
        bench.go.sessions[ONE].log(f"Failed to encrypt ID-oi for {THEIRS}: can't encrypt message")
        return answer(*arguments)

    bench.go.SendMessage = send
    request = frames.Send(id=3, deadline_s=10, session=ONE, ref="r", to="120363000000000000@g.us", text="oi")
    reply = await bench.host.send(request)
    assert (reply.outcome.status, reply.outcome.message_id) == (SendStatus.SENT, "ID-oi")
    assert "GetUserDevices" not in bench.go.of(ONE)


async def test_a_line_that_cannot_be_read_is_nothing_to_the_engine(bench):
    """Nothing is raised into its thread, and what comes next is heard."""
    await bench.open(ONE)
    raw = ctypes.create_string_buffer(b"\xff\xff\xff", 3)
    bench.go.sessions[ONE]._on_log(ctypes.addressof(raw), 3)
    bench.go.sessions[ONE].log(f"Failed to encrypt ID-oi for {THEIRS}: no session")
    assert bench.host.seats[ONE].client.unencrypted.take("ID-oi") == {THEIRS}


async def test_a_line_about_another_message_says_nothing_of_this_one(bench):
    await bench.open(ONE)
    for number in range(1000):
        bench.go.sessions[ONE].log(f"Failed to encrypt OTHER{number} for {THEIRS}: no session")
    bench.go.sessions[ONE].log("Failed to fetch prekeys for [222000@lid] with no existing session: ID-oi")
    assert (await bench.send(ONE, "oi")).status is SendStatus.SENT
    assert len(bench.host.seats[ONE].client.unencrypted._devices) <= 100


async def test_sends_of_a_session_go_one_after_another_in_the_order_they_were_asked(bench, held, until):
    await bench.open(ONE)
    bench.go.on_send = held
    sending = [asyncio.create_task(bench.send(ONE, str(number))) for number in range(8)]
    for number in range(8):
        await until(lambda: held.began.acquire(blocking=False))
        assert bench.go.sent == [str(one) for one in range(number + 1)]
        held.let_go()
    assert [(await one).message_id for one in sending] == [f"ID-{number}" for number in range(8)]
    assert [one.ref for one in bench.outcomes] == [f"ref-{number}" for number in range(8)]


async def test_a_slow_send_holds_up_no_other_session(bench, held, until):
    for name in (ONE, TWO):
        await bench.open(name)
    bench.go.on_send = lambda text: held(text) if text == "slow" else b""
    slow = asyncio.create_task(bench.send(ONE, "slow"))
    await until(lambda: held.began.acquire(blocking=False))
    await bench.send(TWO, "quick")
    assert not slow.done()
    held.let_go()
    assert (await slow).status is SendStatus.SENT


async def test_what_did_not_get_its_turn_in_time_was_certainly_not_sent(bench, held, until):
    await bench.open(ONE)
    bench.go.on_send = held
    first = asyncio.create_task(bench.send(ONE, "first"))
    await until(lambda: held.began.acquire(blocking=False))
    late = await bench.send(ONE, "late", deadline_s=0.01)
    assert (late.status, late.error) == (SendStatus.FAILED, SendError.NOT_BEGUN)
    assert bench.outcomes == [late]
    held.let_go(2)
    await first
    assert (await bench.send(ONE, "next")).status is SendStatus.SENT
    assert bench.go.sent == ["first", "next"]


async def test_what_was_not_answered_in_time_is_unknown_and_its_late_outcome_is_kept(bench, held, until):
    await bench.open(ONE)
    bench.go.on_send = held
    unknown = await bench.send(ONE, "slow", deadline_s=0.02)
    assert (unknown.status, unknown.error, unknown.message_id) == (SendStatus.UNKNOWN, SendError.TIMED_OUT, None)
    following = asyncio.create_task(bench.send(ONE, "following"))
    held.let_go(2)
    await following
    assert [(one.ref, one.status) for one in bench.outcomes] == [
        ("ref-slow", SendStatus.UNKNOWN),
        ("ref-slow", SendStatus.SENT),
        ("ref-following", SendStatus.SENT),
    ]
    assert bench.go.sent == ["slow", "following"], "nothing is sent twice"


async def test_a_late_failure_is_kept_as_well(bench, held, until):
    await bench.open(ONE)
    bench.go.on_send = held
    await bench.send(ONE, "slow", deadline_s=0.02)
    held.let_go(error="server returned error 463")
    await until(lambda: len(bench.outcomes) == 2)
    assert (bench.outcomes[1].status, bench.outcomes[1].error) == (SendStatus.FAILED, "rejected_463")


async def test_an_answer_that_cannot_be_read_is_an_unknown_outcome_on_disk(bench):
    await bench.open(ONE)
    bench.go.on_send = lambda text: b"\xff\xff\xff"
    outcome = await bench.send(ONE, "x")
    assert (outcome.status, outcome.error) == (SendStatus.UNKNOWN, SendError.ENGINE)
    assert bench.outcomes == [outcome]
    bench.go.on_send = None
    assert (await bench.send(ONE, "next")).status is SendStatus.SENT


async def test_only_so_many_may_wait_for_their_turn(bench, held, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host_module, "MAX_TURNS", 2)
    await bench.open(ONE)
    bench.go.on_send = held
    sending = [asyncio.create_task(bench.send(ONE, "0"))]
    await until(lambda: held.began.acquire(blocking=False))
    sending += [asyncio.create_task(bench.send(ONE, str(number))) for number in (1, 2)]
    await until(lambda: bench.host.seats[ONE].waiting == 2)
    with pytest.raises(Busy):
        await bench.send(ONE, "3")
    held.let_go(3)
    assert [(await one).status for one in sending] == [SendStatus.SENT] * 3


async def test_nothing_is_sent_for_a_session_that_is_not_here_or_to_what_is_no_address(bench):
    with pytest.raises(UnknownSession):
        await bench.send(ONE, "x")
    await bench.open(ONE)
    with pytest.raises(SessionsError) as caught:
        await bench.host.send(frames.Send(id=1, deadline_s=1.0, session=ONE, ref="r", to="nobody", text="x"))
    assert not isinstance(caught.value, FixUs), "that is the caller's fault"
    assert bench.go.sent == []


# -- other questions ---------------------------------------------------------------------------------------------------


async def test_questions_to_whatsapp_are_answered(bench):
    await bench.open(ONE)
    code = await bench.host.pair_code(frames.PairCode(id=1, deadline_s=5.0, session=ONE, phone="5511888880000"))
    assert code.text == "ABCD-1234"
    with pytest.raises(EngineRefused):
        await bench.host.pair_code(frames.PairCode(id=1, deadline_s=5.0, session=ONE, phone="0"))
    found = await bench.host.on_whatsapp(frames.OnWhatsApp(id=1, deadline_s=5.0, session=ONE, phone="5511888880000"))
    assert found.text == TO
    missing = await bench.host.on_whatsapp(frames.OnWhatsApp(id=1, deadline_s=5.0, session=ONE, phone="0"))
    assert missing.text is None


async def test_a_logout_that_whatsapp_does_not_confirm_is_refused(bench):
    await bench.open(ONE)
    await bench.host.logout(frames.Logout(id=1, deadline_s=5.0, session=ONE))
    bench.go.logout = b"error sending logout request about 5511999990000"
    with pytest.raises(EngineRefused) as caught:
        await bench.host.logout(frames.Logout(id=1, deadline_s=5.0, session=ONE))
    assert "5511" not in str(caught.value)


def test_a_refusal_names_our_errors_and_only_the_kind_of_others():
    assert refusal(3, Locked()) == frames.Reply(id=3, error="locked", sentence=Locked.__doc__)
    other = refusal(4, KeyError("5511999990000"))
    assert (other.id, other.error) == (4, "bug")
    assert "KeyError" in (other.sentence or "")
    assert "5511" not in (other.sentence or "")
