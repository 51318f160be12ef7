"""One account whose session ends the engine's whole process: the others are back and stay, it is set apart, and tried again."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.engine import Launch
from sessions.fleet import Options
from sessions.model import SendStatus, SessionId
from sessions.state import Next, Reason, State

ODD_WORKER = Path(__file__).with_name("odd_worker.py")
SESSIONS = 10
FOUND_S = 60.0

Changes = list[tuple[SessionId, State]]


@pytest.fixture
def changes() -> Changes:
    """Whatever became of any session, in order."""
    return []


@pytest_asyncio.fixture
async def poisoned(
    rig: Rig, lab: LabClient, number: Numbers, changes: Changes
) -> AsyncGenerator[tuple[Rig, SessionId, Path]]:
    """Ten paired sessions, opened in one worker that the engine's abort ends whenever one of them is open; and what makes it."""
    sessions = [await rig.pair(number()) for _ in range(SESSIONS)]
    await rig.fleet.stop()
    await rig.leave()
    poison = rig.launch.spool / "poison"
    poison.write_text(sessions[SESSIONS // 2])
    command = (sys.executable, str(ODD_WORKER), "poison")
    launch = Launch(spool=rig.launch.spool, lab=rig.launch.lab, command=command)
    options = Options(changed=lambda session, _before, now: changes.append((session, now)))
    async with Rig(rig.data, lab, launch=launch, options=options) as odd:
        yield odd, sessions[SESSIONS // 2], poison


async def test_a_poisonous_session_is_found_alone_and_the_others_stay(
    poisoned: tuple[Rig, SessionId, Path], changes: Changes, lab: LabClient, number: Numbers
) -> None:
    """Nine are back within a minute and hear nothing of its later tries; without the poison it is back, too."""
    rig, bad, poison = poisoned
    others = [view.id for view in rig.fleet.snapshot() if view.id != bad]

    def found() -> bool:
        return rig.fleet.view(bad).state.reason is Reason.ISOLATED and all(_connected(rig, one) for one in others)

    took_s = await rig.until(found, within_s=FOUND_S)
    sys.stdout.write(f"found after {took_s:.1f} s, with {len(rig.fleet.workers())} workers\n")
    told = rig.fleet.view(bad).state
    assert (told.reason.code, told.reason.value.next) == ("isolated", Next.FIX_US)
    assert "separada das outras" in told.sentence("pt")
    assert {reason for session, reason in _reasons(changes) if session != bad} <= {
        Reason.STARTING,
        Reason.WORKER_RESTARTING,
        Reason.CONNECTED,
    }

    changes.clear()
    rig.fleet.connect(bad)
    await rig.until(lambda: (bad, Reason.ISOLATED) in _reasons(changes), within_s=FOUND_S)
    poison.unlink()
    rig.fleet.connect(bad)
    await rig.connected(bad, within_s=FOUND_S)
    assert {session for session, _ in changes} == {bad}, "its tries were somebody else's, too"
    customer = number()
    await lab.phone(customer, "Ana")
    for session in (bad, *others):
        sent = await rig.fleet.send(session, "r", f"{customer}@s.whatsapp.net", "oi")
        assert sent.status is SendStatus.SENT


def _connected(rig: Rig, session: SessionId) -> bool:
    return rig.fleet.view(session).state.reason is Reason.CONNECTED


def _reasons(changes: Changes) -> set[tuple[SessionId, Reason]]:
    return {(session, now.reason) for session, now in changes}
