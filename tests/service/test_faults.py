"""Every fault the lab can cause: the state, reason and sentence it ends in, and that it heals where it can."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from fault_table import FAULTS, Fault

from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.errors import NotConnected, SendError
from sessions.fleet import Options
from sessions.model import Outcome, SendStatus, SessionId
from sessions.state import Reason, State

States = list[State]


@pytest_asyncio.fixture
async def watched(tmp_path: Path, lab: LabClient) -> AsyncGenerator[tuple[Rig, States]]:
    """A fleet whose every change of state is written down: many last a few milliseconds."""
    states: States = []
    async with Rig(tmp_path, lab, options=Options(changed=lambda _id, _before, now: states.append(now))) as rig:
        yield rig, states


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


GONE_S = 20.0
CAUSED = [one for one in FAULTS if one.kind]


@pytest.mark.parametrize("fault", CAUSED, ids=lambda fault: fault.name.replace(" ", "_"))
async def test_each_fault_has_its_state_its_sentence_and_its_end(
    watched: tuple[Rig, States], lab: LabClient, number: Numbers, fault: Fault
) -> None:
    """As the table says, and as docs/sessions.md tells operators: noticed in time, named, and healed in time or not tried for nothing."""
    rig, states = watched
    session = await rig.pair(number())
    device = _device(rig, session)
    logins = await _logins(lab, device)
    states.clear()
    began = time.monotonic()
    await _cause(lab, device, fault)
    try:
        await rig.until(lambda: any(now.reason in fault.reasons for now in states), within_s=fault.noticed_s)
        noticed_s = time.monotonic() - began
        told = next(now for now in states if now.reason in fault.reasons)
        assert told.sentence("pt") and told.sentence("en") != told.sentence("pt")  # noqa: PT018  # one fact
    finally:
        if "count" not in fault.more:
            await lab.faults("clear")
    cleared = time.monotonic()
    if fault.back_s is None:
        await _is_left_alone(rig, session, fault, told)
    else:
        await _until_logins(rig, lab, device, logins + 1, within_s=fault.back_s)
        await rig.connected(session, within_s=fault.back_s)
        await _still_works(rig, lab, number, session)
    sys.stdout.write(
        f"{fault.name}: {told.reason.code} after {noticed_s:.1f} s, {time.monotonic() - cleared:.1f} s to the end\n"
    )


async def _cause(lab: LabClient, device: str, fault: Fault) -> None:
    if fault.login:
        await lab.faults(fault.kind, **fault.more)
        await lab.fault(device, "drop")
    else:
        await lab.fault(device, fault.kind, **fault.more)
        if fault.kind == "mute":
            await lab.fault(device, "drop")


async def _is_left_alone(rig: Rig, session: SessionId, fault: Fault, told: State) -> None:
    """What only a person or time can end is not tried in a loop: no next try, or a far one."""
    view = rig.fleet.view(session)
    assert view.state.reason in fault.reasons
    match view.state.reason:
        case Reason.BANNED:
            assert "UTC" in told.sentence("pt")
            assert (view.retry_in_s or 0) > 3000
        case Reason.REPLACED:
            assert 20 < (view.retry_in_s or 0) <= 30
            rig.fleet.connect(session)
            await rig.connected(session, within_s=30)
        case _:
            assert view.retry_in_s is None


async def test_an_unlinked_device_is_scanned_again(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Logged out; a new pairing of the same session works."""
    shop = number()
    session = await rig.pair(shop)
    await lab.fault(_device(rig, session), "removed")
    await rig.in_state(Reason.LOGGED_OUT, session, within_s=30)
    await lab.scan(shop, (await rig.fleet.qr(session)).text)
    await rig.connected(session)
    await _still_works(rig, lab, number, session)


async def test_a_start_without_whatsapp_is_unreachable_until_it_is_back(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """The first connection is not the engine's to repeat: we do."""
    session = await rig.pair(number())
    await rig.fleet.disconnect(session)
    await lab.faults("refuse")
    try:
        rig.fleet.connect(session)
        await rig.in_state(Reason.UNREACHABLE, session, within_s=30)
    finally:
        await lab.faults("clear")
    await rig.connected(session, within_s=60)


async def test_a_code_that_nobody_scans_ends_the_pairing(rig: Rig, lab: LabClient) -> None:
    """WhatsApp takes the code back: said so, with nothing left running, and a new code when one is asked for."""
    await lab.ask("POST", "/pairing", {"refs": 1})
    try:
        session = rig.fleet.create()
        first = await rig.fleet.qr(session)
        await rig.in_state(Reason.PAIRING_ENDED, session, within_s=60)
        async with asyncio.timeout(GONE_S):
            while rig.fleet.pairings:  # noqa: ASYNC110 - it is told once the state is; its worker goes after that
                await asyncio.sleep(0.01)
    finally:
        await lab.ask("POST", "/pairing", {"refs": 6})
    assert (await rig.fleet.qr(session)).text != first.text


async def test_a_killed_worker_is_replaced_and_its_session_back(
    watched: tuple[Rig, States], lab: LabClient, number: Numbers
) -> None:
    """Seconds, and a state that says so."""
    rig, states = watched
    session = await rig.pair(number())
    await rig.until(lambda: any(one.health for one in rig.fleet.workers()))
    states.clear()
    health = rig.fleet.workers()[0].health
    assert health
    os.kill(health.pid, signal.SIGKILL)
    await rig.until(lambda: bool(states), within_s=30)
    assert states[0].reason is Reason.WORKER_RESTARTING
    await rig.connected(session, within_s=30)
    await _still_works(rig, lab, number, session)


async def test_while_it_is_away_a_send_is_refused_for_certain_and_dropped_connections_cost_none(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """Fifty texts over three lost connections: each is sent, failed for certain, or said to be unknown, and none arrives twice."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    to = f"{customer}@s.whatsapp.net"

    async def send(index: int) -> SendStatus:
        try:
            return (await rig.fleet.send(session, str(index), to, f"texto {index}")).status
        except NotConnected:
            return SendStatus.FAILED

    sending = [asyncio.create_task(send(index)) for index in range(50)]
    device = _device(rig, session)
    logins = await _logins(lab, device)
    for drop in range(1, 4):
        await lab.fault(device, "drop")
        await _until_logins(rig, lab, device, logins + drop)
    outcomes = await asyncio.gather(*sending)
    arrived = await _texts_of(lab, customer, at_least=outcomes.count(SendStatus.SENT))
    assert len(arrived) == len(set(arrived))
    sent = {f"texto {index}" for index, outcome in enumerate(outcomes) if outcome is SendStatus.SENT}
    failed = {f"texto {index}" for index, outcome in enumerate(outcomes) if outcome is SendStatus.FAILED}
    assert sent <= set(arrived)
    assert not failed & set(arrived)


async def _texts_of(lab: LabClient, number: str, *, at_least: int) -> list[str]:
    answer = await lab.ask("GET", f"/phones/{number}/messages", count=at_least, wait=30)
    return [item["text"] for item in answer["items"]]


def test_operators_read_the_same_table() -> None:
    """docs/sessions.md shows every fault, word for word, with the bounds that are held here; what is measured follows."""
    text = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text(encoding="utf-8")
    told = [line.rpartition(" | ")[0] + " |" for line in text.splitlines() if line.count("|") == 8]
    assert told[2:] == [fault.row for fault in FAULTS]


def test_every_fault_that_the_lab_cannot_cause_alone_has_its_own_test() -> None:
    """Else a row would be a promise that nobody holds."""
    for fault in FAULTS:
        path, _, name = fault.held_by.partition("::")
        assert fault.kind or f"def {name}(" in (Path(__file__).parents[2] / path).read_text(encoding="utf-8"), (
            fault.name
        )


async def test_a_damaged_message_is_asked_for_again(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """The engine asks the sender to encrypt anew: the text arrives, once."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await lab.fault(_device(rig, session), "corrupt")
    await lab.write(customer, shop, "danificada")
    assert await rig.texts(session, 1) == ["danificada"]


async def test_a_text_that_could_be_encrypted_for_nobody_is_failed_and_not_called_sent(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """The engine then sends a message without a copy for anybody, WhatsApp takes it, and nobody ever sees it."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    to = f"{customer}@s.whatsapp.net"
    await lab.fault(_device(rig, session), "keys")
    refused = await rig.fleet.send(session, "a", to, "primeira")
    assert (refused.status, refused.error) == (SendStatus.FAILED, SendError.NO_KEYS)
    assert (await rig.fleet.send(session, "b", to, "segunda")).status is SendStatus.SENT
    assert await _texts_of(lab, customer, at_least=1) == ["segunda"]
    await rig.until(lambda: _endings(rig, session, "a") == [SendStatus.FAILED])


async def test_a_text_that_one_device_of_the_customers_can_read_is_sent(
    rig: Rig, lab: LabClient, number: Numbers
) -> None:
    """No keys of their phone, and none needed of their computer, which wrote first."""
    shop, customer = number(), number()
    session, computer = await rig.pair(shop), await rig.pair(customer, "Ana")
    assert (await rig.fleet.send(computer, "a", f"{shop}@s.whatsapp.net", "oi")).status is SendStatus.SENT
    await rig.texts(session, 1)
    await lab.fault(_device(rig, session), "keys")
    assert (await rig.fleet.send(session, "b", f"{customer}@s.whatsapp.net", "olá")).status is SendStatus.SENT
    assert await rig.texts(computer, 1) == ["olá"]


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
    await lab.fault(_device(rig, session), "ack", delay_s=8, count=1)
    late = await rig.fleet.send(session, "b", to, "y", deadline_s=1)
    assert late.status is SendStatus.UNKNOWN
    await rig.until(lambda: _endings(rig, session, "b") == [SendStatus.UNKNOWN, SendStatus.SENT])


def _endings(rig: Rig, session: SessionId, ref: str) -> list[SendStatus]:
    outcomes = [one.words for one in rig.heard[session] if isinstance(one.words, Outcome)]
    return [one.status for one in outcomes if one.ref == ref]


async def _logins(lab: LabClient, device: str) -> int:
    devices = await lab.ask("GET", "/devices")
    return next(one["logins"] for one in devices["items"] if one["jid"] == device)


async def _until_logins(rig: Rig, lab: LabClient, device: str, count: int, within_s: float = 30.0) -> None:
    until = time.monotonic() + within_s
    while await _logins(lab, device) < count:
        assert time.monotonic() < until, f"no new login of the device within {within_s} s ({rig.fleet.snapshot()})"
