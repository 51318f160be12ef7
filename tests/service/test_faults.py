"""Every fault the lab can cause: the state, reason and sentence it ends in, and that it heals where it can."""

from __future__ import annotations

import time

import pytest

from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.model import Outcome, SendStatus, SessionId
from sessions.state import Reason, Status


def _device(rig: Rig, session: SessionId) -> str:
    identity = rig.fleet.view(session).identity
    assert identity
    return identity.jid


async def _still_works(rig: Rig, lab: LabClient, number: Numbers, session: SessionId) -> None:
    """A text in and a text out."""
    identity = rig.fleet.view(session).identity
    assert identity
    customer = number()
    await lab.phone(customer, "Ana")
    before = len(rig.messages(session))
    await lab.write(customer, identity.phone, "voltou?")
    assert (await rig.texts(session, before + 1))[-1] == "voltou?"
    assert (await rig.fleet.send(session, "r", f"{customer}@s.whatsapp.net", "sim")).status is SendStatus.SENT


@pytest.mark.parametrize("kind", ["drop", "close"])
async def test_a_dropped_connection_is_back_at_once(rig: Rig, lab: LabClient, number: Numbers, kind: str) -> None:
    """RST or a clean close: seconds, and nothing for anybody to do."""
    session = await rig.pair(number())
    logins = await _logins(lab, _device(rig, session))
    await lab.fault(_device(rig, session), kind)
    await _until_logins(rig, lab, _device(rig, session), logins + 1)
    await rig.connected(session, within_s=30)
    await _still_works(rig, lab, number, session)


async def test_an_unknown_stream_error_does_not_leave_it_deaf(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """The engine clears its login and does nothing more: the session is opened anew."""
    session = await rig.pair(number())
    logins = await _logins(lab, _device(rig, session))
    await lab.fault(_device(rig, session), "stream_error", code="599")
    await _until_logins(rig, lab, _device(rig, session), logins + 1)
    await rig.connected(session, within_s=30)
    await _still_works(rig, lab, number, session)


async def test_an_event_the_engine_cannot_hand_over_does_not_leave_it_deaf(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """A receipt of an unknown type ends the engine's pump while its socket goes on acknowledging: opened anew at once."""
    session = await rig.pair(number())
    logins = await _logins(lab, _device(rig, session))
    await lab.fault(_device(rig, session), "receipt", type="made-up")
    await _until_logins(rig, lab, _device(rig, session), logins + 1)
    await rig.connected(session, within_s=30)
    await _still_works(rig, lab, number, session)


@pytest.mark.parametrize("kind", ["stall", "blackhole"])
async def test_a_server_that_answers_no_more_is_noticed(rig: Rig, lab: LabClient, number: Numbers, kind: str) -> None:
    """The socket looks alive; our own question goes unanswered: deaf within half a minute, then connected anew."""
    session = await rig.pair(number())
    await lab.fault(_device(rig, session), kind)
    await rig.until(lambda: rig.fleet.view(session).state.reason is not Reason.CONNECTED, within_s=35)
    await rig.connected(session, within_s=40)
    await _still_works(rig, lab, number, session)


async def test_a_login_that_is_never_answered_is_tried_anew(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Connecting, and said so; connected once the server answers again."""
    session = await rig.pair(number())
    await lab.fault(_device(rig, session), "mute", count=1)
    await lab.fault(_device(rig, session), "drop")
    await rig.until(lambda: rig.fleet.view(session).state.reason is not Reason.CONNECTED, within_s=30)
    assert rig.fleet.view(session).state.reason.status is not Status.CONNECTED
    await rig.connected(session, within_s=60)
    await _still_works(rig, lab, number, session)


async def test_a_session_opened_elsewhere_waits_before_it_comes_back(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Two clients must not fight: replaced, a sentence, the next try in about half a minute."""
    session = await rig.pair(number())
    await lab.fault(_device(rig, session), "replaced")
    await rig.in_state(Reason.REPLACED, session, within_s=30)
    view = rig.fleet.view(session)
    assert "outro lugar" in view.state.sentence("pt")
    assert view.retry_in_s is not None
    assert 20 < view.retry_in_s <= 30
    rig.fleet.connect(session)
    await rig.connected(session, within_s=30)
    await _still_works(rig, lab, number, session)


async def test_an_unlinked_device_asks_to_be_scanned_again(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Logged out; a new pairing of the same session works."""
    shop = number()
    session = await rig.pair(shop)
    await lab.fault(_device(rig, session), "removed")
    await rig.in_state(Reason.LOGGED_OUT, session, within_s=30)
    assert "QR" in rig.fleet.view(session).state.sentence("pt")
    await lab.scan(shop, (await rig.fleet.qr(session)).text)
    await rig.connected(session)
    await _still_works(rig, lab, number, session)


LOGIN_FAILURES = [
    ("401", {}, Reason.LOGGED_OUT),
    ("403", {}, Reason.LOGGED_OUT),
    ("402", {"code": "101", "expire": 3600}, Reason.BANNED),
    ("405", {}, Reason.OUTDATED),
    ("409", {}, Reason.REFUSED),
    ("418", {}, None),
    ("500", {}, None),
    ("503", {}, None),
]


@pytest.mark.parametrize(("reason", "more", "expected"), LOGIN_FAILURES, ids=[one[0] for one in LOGIN_FAILURES])
async def test_a_refused_login_ends_in_its_state(
    rig: Rig, lab: LabClient, number: Numbers, reason: str, more: dict[str, object], expected: Reason | None
) -> None:
    """Each refusal has its state; what is not a verdict heals when the server does."""
    session = await rig.pair(number())
    await lab.faults("login", reason=reason, **more)
    try:
        await lab.fault(_device(rig, session), "drop")
        if expected:
            await rig.in_state(expected, session, within_s=30)
        else:
            await rig.until(lambda: rig.fleet.view(session).state.reason.status is not Status.CONNECTED, within_s=30)
    finally:
        await lab.faults("clear")
    state = rig.fleet.view(session).state
    if expected is Reason.BANNED:
        assert "UTC" in state.sentence("pt")
    if expected is None:
        await rig.connected(session, within_s=60)
        await _still_works(rig, lab, number, session)
    else:
        assert state.reason is expected


async def test_a_server_that_refuses_connections_is_unreachable_until_it_is_back(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """Reconnecting while it lasts; connected soon after."""
    session = await rig.pair(number())
    await lab.faults("refuse")
    try:
        await lab.fault(_device(rig, session), "drop")
        await rig.until(
            lambda: rig.fleet.view(session).state.reason in (Reason.RECONNECTING, Reason.UNREACHABLE), within_s=30
        )
    finally:
        await lab.faults("clear")
    await rig.connected(session, within_s=40)
    await _still_works(rig, lab, number, session)


async def test_a_damaged_message_is_asked_for_again(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """The engine asks the sender to encrypt anew: the text arrives, once."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await lab.fault(_device(rig, session), "corrupt")
    await lab.write(customer, shop, "danificada")
    assert await rig.texts(session, 1) == ["danificada"]


async def test_a_rejected_send_is_failed_and_an_unanswered_one_unknown(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """The server's error number is kept; silence is never taken for success or failure, and a late answer still lands."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    to = f"{customer}@s.whatsapp.net"
    await lab.fault(_device(rig, session), "ack", error=463)
    rejected = await rig.fleet.send(session, "a", to, "x")
    assert (rejected.status, rejected.error) == (SendStatus.FAILED, "rejected_463")
    await lab.fault(_device(rig, session), "clear")
    await lab.fault(_device(rig, session), "ack", delay_s=4, count=1)
    late = await rig.fleet.send(session, "b", to, "y", deadline_s=1)
    assert late.status is SendStatus.UNKNOWN
    await rig.until(lambda: _endings(rig, session, "b") == [SendStatus.UNKNOWN, SendStatus.SENT])


def _endings(rig: Rig, session: SessionId, ref: str) -> list[SendStatus]:
    outcomes = [one.words for one in rig.heard[session] if isinstance(one.words, Outcome)]
    return [one.status for one in outcomes if one.ref == ref]


async def _logins(lab: LabClient, device: str) -> int:
    devices = await lab.ask("GET", "/devices")
    return next(one["logins"] for one in devices["items"] if one["jid"] == device)


async def _until_logins(rig: Rig, lab: LabClient, device: str, count: int) -> None:
    until = time.monotonic() + 30
    while await _logins(lab, device) < count:
        assert time.monotonic() < until, f"no new login of the device within 30 s ({rig.fleet.snapshot()})"
