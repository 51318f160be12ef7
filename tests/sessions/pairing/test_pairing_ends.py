"""How a pairing ends: in vain, called off, or after the scan, when it has linked the session whatever happens."""

from __future__ import annotations

import asyncio
import time

import pytest
from pairing_bench import ONE, WAIT_S, WHO, Bench, ending

from sessions import frames
from sessions import pairing as pairing_module
from sessions.errors import DiskFull, Locked, PairingEnded, SessionsError, WorkerGone
from sessions.model import Life, Sign
from sessions.pairing import Code
from sessions.state import ForbiddenMove, Reason

ENDS = [
    (frames.LoginStatus(session=ONE, status="timeout"), Reason.PAIRING_ENDED, "expired"),
    (frames.LoginStatus(session=ONE, status="err-unexpected-state"), Reason.PAIRING_ENDED, "expired"),
    (frames.LoginStatus(session=ONE, status="error"), Reason.PAIRING_ENDED, "expired"),
    (frames.LoginStatus(session=ONE, status="err-client-outdated"), Reason.OUTDATED, "update"),
    (frames.LoginStatus(session=ONE, status="passkey-request"), Reason.PASSKEY_REQUIRED, "passkey"),
    (frames.Ended(session=ONE, error="unreachable"), Reason.PAIRING_ENDED, "cannot be reached"),
    (frames.Ended(session=ONE, error="engine"), Reason.PAIRING_ENDED, "engine ended"),
    (frames.LowDisk(), Reason.PAIRING_ENDED, "."),
    (frames.Alive(session=ONE, life=Life(Sign.OUTDATED)), Reason.OUTDATED, "update"),
    (frames.Alive(session=ONE, life=Life(Sign.PAIR_FAILED, code="1")), Reason.PAIRING_ENDED, "expired"),
    (frames.Alive(session=ONE, life=Life(Sign.LOGGED_OUT)), Reason.PAIRING_ENDED, "expired"),
]


@pytest.mark.parametrize(("said", "reason", "word"), ENDS, ids=lambda value: getattr(value, "name", None))
async def test_a_pairing_that_fails_says_why_to_everybody(shown: Bench, said: frames.Notice, reason: Reason, word: str):
    shown.pairing._code = Code("2@old", time.time() - 1, 1)
    waiting = asyncio.create_task(shown.pairing.qr(WAIT_S))
    await asyncio.sleep(0)
    shown.say(said)
    assert word in str(await ending(shown))
    with pytest.raises(PairingEnded, match=word):
        await waiting
    assert shown.moves == [Reason.WAITING_SCAN, reason]
    assert shown.worker.ended == ["kill"], (
        "nothing is erased, and the thread that the engine leaves behind goes with it"
    )


@pytest.mark.parametrize(("said", "reason"), [one[:2] for one in ENDS])
async def test_one_that_fails_before_its_first_code_leaves_the_state_unless_it_knows_better(
    bench: Bench, until, said: frames.Notice, reason: Reason
):
    bench.begin()
    await until(lambda: bench.worker.asked)
    bench.say(said)
    await ending(bench)
    assert bench.moves == ([] if reason is Reason.PAIRING_ENDED else [reason])


async def test_success_said_by_the_engine_is_no_end(shown: Bench, until):
    shown.say(frames.LoginStatus(session=ONE, status="success"), frames.Probed(session=ONE, answered=False))
    shown.scanned()
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO


async def test_when_nobody_asks_any_more_it_ends(shown: Bench, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "ASKED_S", 0.05)
    shown.say(frames.Probed(session=ONE, answered=True))  # it looks at the time again
    await ending(shown)
    assert shown.moves[-1] is Reason.PAIRING_ENDED


async def test_scanned_it_is_given_time_though_nobody_asks(shown: Bench, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "ASKED_S", 0.0)
    shown.live(Sign.IDENTITY, identity=WHO)
    await until(lambda: shown.moves[-1] is Reason.LINKING)
    shown.live(Sign.CONNECTED)
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO


async def test_scanned_but_not_let_in_yet_it_is_linked_all_the_same(shown: Bench, monkeypatch: pytest.MonkeyPatch):
    """The phone lists the device from that moment on: to ask for another scan would make a second one."""
    monkeypatch.setattr(pairing_module, "LINK_S", 0.0)
    shown.path.write_bytes(b"credentials")
    shown.live(Sign.IDENTITY, identity=WHO)
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO
    assert shown.moves == [Reason.WAITING_SCAN, Reason.LINKING]
    assert shown.worker.ended == ["drain", "kill"]
    assert shown.path.read_bytes() == b"credentials"


async def test_a_phone_that_talks_on_does_not_keep_it_linking(shown: Bench, monkeypatch: pytest.MonkeyPatch):
    """The limit is for the whole of it, not for each word."""
    monkeypatch.setattr(pairing_module, "LINK_S", 0.2)
    monkeypatch.setattr(pairing_module, "LONGEST_NOISE_S", 0.1)
    shown.live(Sign.IDENTITY, identity=WHO)
    assert shown.task
    async with asyncio.timeout(WAIT_S):
        while not shown.task.done():
            shown.live(Sign.OFFLINE_DONE)
            await asyncio.sleep(0.01)
    assert shown.task.result() == WHO


CUTS = [
    frames.Ended(session=ONE, error="pump_dead"),
    frames.Ended(session=ONE, error="unreachable"),
    frames.LowDisk(),
    frames.Alive(session=ONE, life=Life(Sign.BANNED, code="101", until_s=600)),
    frames.Alive(session=ONE, life=Life(Sign.OUTDATED)),
    frames.Alive(session=ONE, life=Life(Sign.CONNECT_FAILURE, code="503")),
]


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("said", CUTS, ids=str)
async def test_what_cuts_it_off_after_the_scan_leaves_it_linked(shown: Bench, said: frames.Notice, connected: bool):
    """At once, and not after the time that a connection may take: the session meets the same, and has a state for it."""
    shown.live(Sign.IDENTITY, identity=WHO)
    if connected:
        shown.live(Sign.CONNECTED)
    shown.say(said)
    assert shown.task
    assert await asyncio.wait_for(shown.task, WAIT_S) == WHO
    assert shown.moves == [Reason.WAITING_SCAN, Reason.LINKING]
    assert shown.worker.ended == ["drain", "kill"]


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("sign", [Sign.PAIR_FAILED, Sign.LOGGED_OUT])
async def test_unlinked_again_right_after_the_scan_it_has_no_credentials(shown: Bench, sign: Sign, connected: bool):
    shown.live(Sign.IDENTITY, identity=WHO)
    if connected:
        shown.live(Sign.CONNECTED)
    shown.live(sign)
    await ending(shown)
    assert shown.pairing.linked is None
    assert shown.moves == [Reason.WAITING_SCAN, Reason.LINKING, Reason.PAIRING_ENDED]
    assert shown.worker.ended == ["kill"]


@pytest.mark.parametrize("connected", [True, False])
async def test_called_off_after_the_scan_it_is_linked(shown: Bench, until, connected: bool):
    """Connected it is called off while its worker drains."""
    if connected:
        shown.worker.draining = asyncio.Event()
        shown.scanned()
        await until(lambda: shown.worker.ended == ["drain"])
    else:
        shown.live(Sign.IDENTITY, identity=WHO)
        await until(lambda: shown.pairing.linked)
    assert shown.task
    shown.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shown.task
    assert shown.pairing.linked == WHO
    assert shown.moves == [Reason.WAITING_SCAN, Reason.LINKING]
    assert shown.worker.ended == ["drain", "kill"]


async def test_a_worker_that_dies_ends_it_at_once(shown: Bench):
    shown.worker.gone()
    assert "engine ended" in str(await ending(shown))


@pytest.mark.parametrize("refusal", [DiskFull(), WorkerGone()])
async def test_one_that_gets_no_worker_says_why(bench: Bench, refusal: SessionsError):
    bench.refusal = refusal
    waiting = asyncio.create_task(bench.pairing.qr(WAIT_S))
    with pytest.raises(type(refusal)):
        await asyncio.wait_for(bench.begin(), WAIT_S)
    with pytest.raises(PairingEnded):
        await waiting
    assert bench.moves == []


async def test_one_whose_file_stays_held_says_so_and_ends_its_worker(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pairing_module, "LOCKED_S", 0.0)
    bench.worker.answers["Open"] = [Locked() for _ in range(99)]
    with pytest.raises(Locked):
        await asyncio.wait_for(bench.begin(), WAIT_S)
    assert bench.worker.ended == ["kill"]
    assert bench.moves == []


async def test_called_off_it_ends_its_worker_and_wakes_whoever_waits(shown: Bench):
    shown.pairing._code = None
    waiting = asyncio.create_task(shown.pairing.qr(WAIT_S))
    await asyncio.sleep(0)
    assert shown.task
    shown.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await shown.task
    with pytest.raises(PairingEnded):
        await waiting
    assert shown.worker.ended == ["kill"]
    assert shown.moves == [Reason.WAITING_SCAN, Reason.PAIRING_ENDED]


async def test_called_off_while_news_come_in_it_still_ends(shown: Bench):
    shown.qr("2@second")
    await asyncio.sleep(0)
    assert shown.task
    shown.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(shown.task, WAIT_S)


async def test_its_worker_ends_even_where_its_session_went_elsewhere_meanwhile(shown: Bench):
    shown.forbidden = set(Reason)
    shown.worker.gone()
    assert shown.task
    with pytest.raises((ForbiddenMove, PairingEnded)):
        await asyncio.wait_for(shown.task, WAIT_S)
    assert shown.worker.ended == ["kill"]
