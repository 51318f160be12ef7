"""The whole chain tried while the service runs: every step of `vigia check`, then what only a running service can be asked."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from connector import checkup
from connector.api.bootstrap import StepOf
from connector.checkup import Finding, Ground, Result, Step, failed, fine, warned
from connector.checkup.ground import Database
from connector.settings import Settings
from connector.sights import Seen
from connector.spool import SinkState
from sessions.errors import SessionsError
from sessions.model import SendStatus
from sessions.ports import SessionView
from sessions.state import Next, Reason

HELLO = "Vigia: self-test"
ROUND_TRIP_S = 20.0
_MOST_NAMED = 5


async def _not_started(_ground: Ground) -> Finding:
    return failed("The services wait to be started.", "Call POST /api/whatsapp-bootstrap/initialize, then test again.")


_BEFORE_THE_START = (
    Step("initialized", "Started", _not_started),
    *(replace(one, needs=(*one.needs, "initialized")) if one.name == "database" else one for one in checkup.STEPS),
)
"""A database of the service's own does not run yet, and another's is not asked before somebody wants it to be."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What is tried. One test at a time: who asks meanwhile waits for a turn."""

    settings: Settings
    database: Callable[[], Database]
    seen: Seen
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> list[StepOf]:
        """Take every step and answer what each found."""
        async with self.busy, Ground(load=lambda: self.settings, database=self.database()) as ground:
            if not self.seen.started():
                return [_shown(result) async for result in checkup.run(_BEFORE_THE_START, ground)]
            own: tuple[Step[Ground], ...] = (
                Step("queues", "Queues", self._queues),
                Step("workers", "Workers", self._workers),
                Step("sessions", "Sessions", self._sessions),
            )
            if self.settings.lab:
                own = (*own, Step("message", "Message", self._message, (), ROUND_TRIP_S + 5))
            return [_shown(result) async for result in checkup.run((*checkup.STEPS, *own), ground)]

    async def _queues(self, _ground: Ground) -> Finding:
        views = [one.view for one in self.seen.drainers]
        if stuck := [one for one in views if one.state is SinkState.PARKED]:
            told = " ".join(f"{one.name}: {one.reason} ({one.depth} rows wait)" for one in stuck)
            return failed(
                told, "Mend it; the queue tries again by itself, or at once after POST .../sinks/{name}/kick."
            )
        if late := [one for one in views if one.state is SinkState.WAITING]:
            told = " ".join(f"{one.name}: {one.reason} ({one.depth} rows wait)" for one in late)
            return warned(told, "It goes on by itself once the other side answers.")
        if dead := sum(self.seen.dead_letters().values()):
            return warned(f"{dead} dead letters are kept.", "Look at them with `vigia dead list`.")
        return fine(", ".join(f"{one.name}: {one.depth} rows wait" for one in views))

    async def _workers(self, _ground: Ground) -> Finding:
        workers = self.seen.fleet.workers()
        if lost := [one.name for one in workers if one.gave_up]:
            told = f"Crashed too often and stopped: {', '.join(lost)}."
            return failed(told, "Look into the log; POST /api/whatsapp-bootstrap/restart starts them again.")
        return fine(f"{len(workers)} run, with {sum(one.sessions for one in workers)} sessions")

    async def _sessions(self, _ground: Ground) -> Finding:
        views = self.seen.fleet.snapshot()
        names = {session: ref.id for session, ref in self.seen.connections.refs.items()}
        ill = [one for one in views if _needs_somebody(one)]
        if ill:
            shown = [f"{names.get(one.id, one.id)}: {one.state.sentence('en')}" for one in ill[:_MOST_NAMED]]
            more = f" And {len(ill) - _MOST_NAMED} more." if len(ill) > _MOST_NAMED else ""
            return failed(" ".join(shown) + more, "Do what each sentence says.")
        connected = sum(one.state.reason is Reason.CONNECTED for one in views)
        coming = sum(one.identity is not None and one.state.reason.value.next is Next.WAIT for one in views)
        if coming:
            return warned(f"{connected} are connected, {coming} are on their way.", "They come back by themselves.")
        return fine(f"{connected} of {len(views)} are connected; none needs anybody")

    async def _message(self, _ground: Ground) -> Finding:
        """Only in lab mode: nobody's phone may ring for a test."""
        able = [one for one in self.seen.fleet.snapshot() if one.state.reason is Reason.CONNECTED and one.identity]
        if not able:
            return warned(
                "No session is connected, so no message was sent.", "Link a phone of the local WhatsApp first."
            )
        one = able[0]
        assert one.identity is not None  # noqa: S101 - chosen so
        to = f"{one.identity.phone}@s.whatsapp.net"
        try:
            ended = await self.seen.fleet.send(one.id, str(uuid.uuid4()), to, HELLO, deadline_s=ROUND_TRIP_S)
        except SessionsError as error:
            return failed(f"A message was refused: {error}", "Look into the log.")
        if ended.status is not SendStatus.SENT:
            return failed(f"A message ended {ended.status.value}.", "Look into the log.")
        return fine("a session wrote to itself, and WhatsApp took it")


def _shown(one: Result) -> StepOf:
    found = one.finding
    return StepOf(
        name=one.name,
        title=one.title,
        status=found.status.value,
        detail=found.detail,
        remedy=found.remedy,
        seconds=round(one.seconds, 3),
    )


def _needs_somebody(view: SessionView) -> bool:
    reason = view.state.reason
    if view.identity is None and reason is not Reason.LOGGED_OUT:
        return False
    return reason not in (Reason.STOPPED, Reason.CONNECTED) and reason.value.next is not Next.WAIT
