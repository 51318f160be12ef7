"""Every fault of the local WhatsApp against a connected session: how soon it is noticed, what is said, how soon it has healed."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import aligned
from benchmarks.progress import Progress
from benchmarks.rig import Numbers, Rig
from lab.client import running_lab
from sessions.model import SessionId
from sessions.state import Next, Reason

NOTICED_S = 60.0
HEALED_S = 90.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one device, or (with *login*) of every login, which the device then meets."""

    name: str
    kind: str
    more: Mapping[str, object] = field(default_factory=dict[str, object])
    login: bool = False


@dataclass(slots=True)
class Course:
    """What came of a fault: the states after it with the seconds since, and when it was connected again."""

    fault: Fault
    states: list[tuple[float, Reason]] = field(default_factory=list[tuple[float, Reason]])
    healed_s: float | None = None

    @property
    def row(self) -> list[str]:
        """A line of the table."""
        noticed = f"{self.states[0][0]:.1f}" if self.states else "-"
        states = " > ".join(dict.fromkeys(reason.code for _at, reason in self.states))
        return [self.fault.name, noticed, states or "(healed unseen)", self._end()]

    def _end(self) -> str:
        if self.healed_s is not None:
            return f"{self.healed_s:.1f}"
        last = self.states[-1][1] if self.states else None
        return f"needs: {last.value.next}" if last else "not"


DEVICE_FAULTS = (
    Fault("connection reset", "drop"),
    Fault("connection closed", "close"),
    Fault("stream error, unknown code", "stream_error", {"code": "599"}),
    Fault("receipt of an unknown type", "receipt", {"type": "made-up"}),
    Fault("server reads, never answers", "stall"),
    Fault("half-open connection", "blackhole"),
    Fault("opened somewhere else", "replaced"),
    Fault("unlinked on the phone", "removed"),
)
LOGIN_FAULTS = tuple(
    Fault(f"login refused with {code}", "login", {"reason": code, **more}, login=True)
    for code, more in {
        "401": {},
        "402": {"code": "101", "expire": 3600},
        "403": {},
        "405": {},
        "409": {},
        "418": {},
        "500": {},
        "503": {},
    }.items()
)
REFUSED = Fault("connections refused for 10 s", "refuse", {"for_s": 10}, login=True)


async def run(progress: Progress) -> str:
    """Cause every fault once; answers the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with running_lab() as lab, Rig(Path(folder), lab) as rig:
            number = Numbers()
            progress(f"pairing {len(DEVICE_FAULTS) + 1} sessions")
            sessions = [await rig.pair(number()) for _ in range(len(DEVICE_FAULTS) + 1)]
            progress("causing the faults of single devices, all at once")
            courses = await asyncio.gather(
                *(_device_fault(rig, one, fault) for one, fault in zip(sessions, DEVICE_FAULTS, strict=False))
            )
            for fault in (*LOGIN_FAULTS, REFUSED):
                progress(fault.name)
                courses.append(await _login_fault(rig, number, fault))
    return aligned(["fault", "noticed s", "states", "connected again s"], [one.row for one in courses])


async def _device_fault(rig: Rig, session: SessionId, fault: Fault) -> Course:
    course = Course(fault)
    logins = await _logins(rig, session)
    watching = asyncio.create_task(_watch(rig, session, course, time.monotonic(), logins))
    await rig.lab.fault(_jid(rig, session), fault.kind, **fault.more)
    await watching
    return course


async def _login_fault(rig: Rig, number: Numbers, fault: Fault) -> Course:
    course = Course(fault)
    session = await rig.pair(number())
    logins = await _logins(rig, session)
    await rig.lab.faults(fault.kind, **fault.more)
    watching = asyncio.create_task(_watch(rig, session, course, time.monotonic(), logins))
    await rig.lab.fault(_jid(rig, session), "drop")
    if fault is not REFUSED:
        await asyncio.wait({watching}, timeout=5.0)
        await rig.lab.faults("clear")
    await watching
    await rig.fleet.remove(session)
    return course


async def _watch(rig: Rig, session: SessionId, course: Course, began: float, logins: int) -> None:
    """Note each state until the session is connected by a new login, or nothing but a person can help."""
    while (since := time.monotonic() - began) < HEALED_S:
        view = rig.fleet.view(session)
        reason = view.state.reason
        if reason is not Reason.CONNECTED and (not course.states or course.states[-1][1] is not reason):
            course.states.append((since, reason))
        if course.states and reason.value.next in (Next.SCAN, Next.STOP, Next.CHOOSE):
            return
        if reason is Reason.CONNECTED and since > 0.2 and await _logins(rig, session) > logins:
            course.healed_s = time.monotonic() - began
            return
        await asyncio.sleep(0.02)


def _jid(rig: Rig, session: SessionId) -> str:
    identity = rig.fleet.view(session).identity
    if identity is None:
        raise RuntimeError("not paired")
    return identity.jid


async def _logins(rig: Rig, session: SessionId) -> int:
    identity = rig.fleet.view(session).identity
    if identity is None:
        return 0
    devices = await rig.lab.ask("GET", "/devices", to=identity.jid)
    return next((one["logins"] for one in devices["items"] if one["jid"] == identity.jid), 0)
