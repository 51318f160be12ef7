"""The many: what may be done with each session, with worker programs that have no engine."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sessions.engine import Launch
from sessions.engine import keeper as keeper_module
from sessions.errors import AlreadyConnected, Busy, NotConnected, PairingEnded, UnknownSession
from sessions.fleet import FORGIVEN_S, Fleet, Options
from sessions.frames import SessionHealth
from sessions.model import Identity, SessionId
from sessions.register import Record
from sessions.state import Reason

FAKE = Path(__file__).parent / "engine" / "fake_worker.py"
WHO = Identity(jid="5511999990000:3@s.whatsapp.net", lid=None, phone="5511999990000")
NOBODY = SessionId("00000000-0000-4000-8000-000000000000")


def launch(folder: Path, *lives: str) -> Launch:
    return Launch(folder / "spool", command=(sys.executable, str(FAKE), str(folder / "starts"), *(lives or ("serve",))))


@pytest.fixture
async def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fleet]:
    monkeypatch.setattr(keeper_module, "PING_EVERY_S", 0.05)
    monkeypatch.setattr("sessions.engine.reach.Reach.__call__", _reached)
    fleet = Fleet(tmp_path, launch(tmp_path), Options(max_pairings=2))
    yield fleet
    await fleet.stop()


async def _reached(_self: object) -> bool:
    return True


async def paired(fleet: Fleet) -> SessionId:
    session = fleet.create()
    fleet._session(session).move(Reason.LINKING)
    fleet._session(session).adopt(WHO)
    fleet._session(session).start()
    return session


async def test_a_new_session_is_there_and_never_paired(fleet: Fleet, tmp_path: Path):
    session = fleet.create()
    view = fleet.view(session)
    assert (view.id, view.state.reason, view.identity, view.retry_in_s) == (session, Reason.NEVER_PAIRED, None, None)
    assert fleet.snapshot() == [view]
    assert [record.id for record in Fleet(tmp_path, launch(tmp_path)).register.load()] == [session]


async def test_a_session_that_is_not_there_is_said_so_everywhere(fleet: Fleet):
    for asking in (
        fleet.qr(NOBODY),
        fleet.pair_code(NOBODY, "1"),
        fleet.send(NOBODY, "r", "x@y", "x"),
        fleet.on_whatsapp(NOBODY, "1"),
        fleet.disconnect(NOBODY),
        fleet.logout(NOBODY),
        fleet.remove(NOBODY),
    ):
        with pytest.raises(UnknownSession):
            await asking
    for ask in (fleet.view, fleet.connect):
        with pytest.raises(UnknownSession):
            ask(NOBODY)


async def test_paired_sessions_come_back_with_a_new_start_and_stopped_ones_do_not(tmp_path: Path, fleet: Fleet, until):
    records = [
        Record(SessionId("1"), identity=WHO),
        Record(SessionId("2"), identity=WHO, wanted=False),
        Record(SessionId("3")),
    ]
    for record in records:
        fleet.register.save(record)
    await fleet.start()
    await until(lambda: [view.sessions for view in fleet.workers()] == [1])
    assert [view.state.reason for view in fleet.snapshot()] == [Reason.STARTING, Reason.STOPPED, Reason.NEVER_PAIRED]


async def test_without_a_connection_nothing_is_sent_or_asked(fleet: Fleet):
    session = fleet.create()
    with pytest.raises(NotConnected, match="No phone is linked"):
        await fleet.send(session, "r", "x@y", "x")
    with pytest.raises(NotConnected):
        await fleet.on_whatsapp(session, "1")
    with pytest.raises(NotConnected):
        fleet.connect(session)


async def test_a_paired_session_has_nothing_to_scan(fleet: Fleet):
    session = await paired(fleet)
    with pytest.raises(AlreadyConnected):
        await fleet.qr(session)


async def test_only_so_many_pair_at_once_and_whoever_is_called_off_hears_so(fleet: Fleet, until):
    sessions = [fleet.create() for _ in range(3)]
    asking = [asyncio.create_task(fleet.qr(session)) for session in sessions[:2]]
    await until(lambda: fleet.pairings == 2)
    with pytest.raises(Busy):
        await fleet.qr(sessions[2])
    for session, task in zip(sessions, asking, strict=False):
        await fleet.disconnect(session)
        with pytest.raises(PairingEnded):
            await asyncio.wait_for(task, 10)
    assert fleet.pairings == 0
    assert {view.state.reason for view in fleet.snapshot()} <= {Reason.NEVER_PAIRED, Reason.PAIRING_ENDED}
    with pytest.raises(TimeoutError):
        await fleet.qr(sessions[2], wait_s=0.1)


async def test_whoever_gives_up_asking_leaves_the_pairing_to_the_others(fleet: Fleet, until):
    session = fleet.create()
    asking = [asyncio.create_task(fleet.qr(session)) for _ in range(2)]
    await until(lambda: fleet.pairings)
    asking[0].cancel()
    await asyncio.gather(asking[0], return_exceptions=True)
    assert not asking[1].done()
    assert fleet.pairings
    await fleet.remove(session)
    with pytest.raises(PairingEnded):
        await asking[1]


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers here never log in."""
    monkeypatch.setattr("sessions.fleet.LOGIN_S", 0.0)


@pytest.fixture
async def linking(tmp_path: Path, until, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Fleet, SessionId]]:
    """A session whose code was scanned a moment ago, and whose pairing has still to let its worker go."""
    monkeypatch.setattr("sessions.engine.reach.Reach.__call__", _reached)
    fleet = Fleet(tmp_path, launch(tmp_path, "scanned", "serve"))
    session = fleet.create()
    asking = asyncio.create_task(fleet.qr(session))
    await until(lambda: fleet.view(session).state.reason is Reason.LINKING)
    await asyncio.gather(asking, return_exceptions=True)  # a code, or that it was scanned
    yield fleet, session
    await fleet.stop()


async def test_called_off_after_the_scan_it_is_linked_and_goes_on(linking: tuple[Fleet, SessionId], until):
    """The phone lists the device: else it would say `linking` for ever, and nothing could be done with it."""
    fleet, session = linking
    await fleet.end_pairing(session)
    view = fleet.view(session)
    assert (view.state.reason, view.identity, fleet.pairings) == (Reason.STARTING, WHO, 0)
    await until(lambda: [view.sessions for view in fleet.workers()] == [1])
    await until(lambda: fleet.register.load()[0].paired)


async def test_called_off_twice_after_the_scan_it_is_linked_all_the_same(linking: tuple[Fleet, SessionId]):
    fleet, session = linking
    task = fleet._pairings._under_way[session][1]
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    await fleet.end_pairing(session)
    assert (fleet.view(session).state.reason, fleet.view(session).identity) == (Reason.STARTING, WHO)


async def test_disconnected_after_the_scan_it_is_linked_and_stopped(linking: tuple[Fleet, SessionId]):
    fleet, session = linking
    await fleet.disconnect(session)
    assert (fleet.view(session).state.reason, fleet.view(session).identity) == (Reason.STOPPED, WHO)


async def test_logged_out_after_the_scan_it_can_be_paired_anew(linking: tuple[Fleet, SessionId]):
    fleet, session = linking
    await fleet.logout(session)
    assert (fleet.view(session).state.reason, fleet.view(session).identity) == (Reason.LOGGED_OUT, None)
    with pytest.raises(TimeoutError):
        await fleet.qr(session, wait_s=0.1)


async def test_a_service_that_ends_after_the_scan_has_a_linked_session_at_its_next_start(
    linking: tuple[Fleet, SessionId],
):
    fleet, _session = linking
    await fleet.stop()
    assert [(record.identity, record.wanted) for record in fleet.register.load()] == [(WHO, True)]


async def test_disconnected_it_stays_paired_and_connects_when_told_to(fleet: Fleet, until):
    session = await paired(fleet)
    await until(lambda: fleet.workers())
    await fleet.disconnect(session)
    view = fleet.view(session)
    assert (view.state.reason, view.identity) == (Reason.STOPPED, WHO)
    assert fleet.workers() == []
    fleet.connect(session)
    await until(lambda: fleet.workers())
    await until(lambda: fleet.register.load()[0].wanted)


async def test_connected_again_while_it_is_still_being_disconnected_it_is_connected(fleet: Fleet, until):
    """The last wish counts, and what state it says is what it is."""
    session = await paired(fleet)
    await until(lambda: any(view.health for view in fleet.workers()))
    for _ in range(3):
        leaving = asyncio.create_task(fleet.disconnect(session))
        await until(lambda: fleet.view(session).state.reason is Reason.STOPPED)
        fleet.connect(session)
        await leaving
        assert fleet.view(session).state.reason is Reason.STARTING
        await until(lambda: [view.sessions for view in fleet.workers()] == [1])
    await fleet.disconnect(session)
    assert (fleet.view(session).state.reason, fleet.workers()) == (Reason.STOPPED, [])


async def test_while_it_is_unlinked_nobody_connects_or_pairs_it(fleet: Fleet, until):
    session = await paired(fleet)
    await until(lambda: any(view.health for view in fleet.workers()))
    leaving = asyncio.create_task(fleet.remove(session))
    await asyncio.sleep(0)  # its first step notes that it leaves; the whole of it may be quicker than a look
    with pytest.raises(Busy):
        fleet.connect(session)
    with pytest.raises(Busy):
        await fleet.logout(session)
    await leaving
    with pytest.raises(UnknownSession):
        fleet.connect(session)
    assert list(fleet.register.folder.iterdir()) == []


async def test_the_truth_of_a_session_comes_from_its_worker(fleet: Fleet, until):
    session = await paired(fleet)
    await until(lambda: any(view.health for view in fleet.workers()))
    truth = fleet.truth(session)
    assert (truth.worker, truth.worker_alive, truth.pump) == ("w1", True, None)
    assert (truth.view.id, truth.view.state.reason) == (session, Reason.STARTING)
    await fleet.disconnect(session)
    assert (fleet.truth(session).worker, fleet.truth(session).worker_alive) == (None, False)


async def test_connected_again_one_whose_try_hangs_is_tried_anew(fleet: Fleet, until, monkeypatch: pytest.MonkeyPatch):
    """This is all that the watchdog can do about it."""
    session = await paired(fleet)
    await until(lambda: fleet.view(session).trying_s is not None)
    hung = fleet._session(session)._task
    assert not fleet.view(session).hangs
    fleet.connect(session)
    assert fleet._session(session)._task is hung
    monkeypatch.setattr("sessions.plan.TRYING_S", 0.0)
    await until(lambda: fleet.view(session).hangs)
    fleet.connect(session)
    await until(lambda: hung and hung.cancelled() and fleet.view(session).trying_s is not None)
    await until(lambda: any(view.health for view in fleet.workers()))


async def test_its_silence_grows_also_where_nobody_asks_its_worker_any_more(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
):
    told = SessionHealth(pump=True, socket=True, logged_in=True, heard_s=3.0, event_s=None, sent_s=None)
    monkeypatch.setattr(fleet.engine, "health", lambda _session: (None, told, 100.0))
    assert fleet.view(fleet.create()).silent_s == 103.0


@pytest.mark.parametrize(("ago_s", "workers"), [(0.0, [1, 2]), (FORGIVEN_S - 100, [1, 2]), (FORGIVEN_S + 100, [3])])
async def test_a_session_once_isolated_is_alone_after_a_new_start_unless_it_was_well_for_a_day(
    ago_s: float, workers: list[int], fleet: Fleet, until
):
    for name, reason in (("1", "isolated"), ("2", "connected"), ("3", "connected")):
        fleet.register.save(Record(SessionId(name), identity=WHO, reason=reason, since=time.time() - ago_s))
    await fleet.start()
    await until(lambda: sorted(view.sessions for view in fleet.workers()) == workers)


async def test_logged_out_it_keeps_nothing_of_the_account(fleet: Fleet, until):
    session = await paired(fleet)
    await until(lambda: any(view.health for view in fleet.workers()))
    assert await fleet.logout(session) is True
    assert (fleet.view(session).state.reason, fleet.view(session).identity) == (Reason.LOGGED_OUT, None)
    with pytest.raises(NotConnected):
        await fleet.logout(session)


async def test_removed_it_leaves_no_file(fleet: Fleet, until):
    session = await paired(fleet)
    await until(lambda: fleet.workers())
    fleet.register.database(session).write_bytes(b"credentials")
    await fleet.remove(session)
    with pytest.raises(UnknownSession):
        fleet.view(session)
    assert list(fleet.register.folder.iterdir()) == []


async def test_only_one_that_was_never_linked_and_is_not_being_linked_is_removed_as_unpaired(fleet: Fleet, until):
    new, pairing, linked = fleet.create(), fleet.create(), await paired(fleet)
    asking = asyncio.create_task(fleet.qr(pairing))
    await until(lambda: fleet.pairings)
    assert [await fleet.remove_unpaired(one) for one in (new, pairing, linked)] == [True, False, False]
    assert {view.id for view in fleet.snapshot()} == {pairing, linked}
    asking.cancel()
    with pytest.raises(UnknownSession):
        await fleet.remove_unpaired(new)


async def test_the_states_that_it_tells_are_told_once_each(tmp_path: Path, until, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sessions.engine.reach.Reach.__call__", _reached)
    told: list[tuple[SessionId, Reason, Reason]] = []
    options = Options(changed=lambda session, before, now: told.append((session, before.reason, now.reason)))
    fleet = Fleet(tmp_path, launch(tmp_path), options)
    session = await paired(fleet)
    await until(lambda: fleet.workers())
    await fleet.disconnect(session)
    await fleet.stop()
    assert told == [
        (session, Reason.NEVER_PAIRED, Reason.LINKING),
        (session, Reason.LINKING, Reason.STARTING),
        (session, Reason.STARTING, Reason.STOPPED),
    ]
