"""Which session sits on which worker. Pure."""

from __future__ import annotations

from sessions.model import SessionId


class Placement:
    """Fills workers one after another, so that as few run as can. A session keeps its place until it is taken away.

    Workers may be closed: nobody else is placed there, because one of their sessions is suspected of ending its worker.
    """

    def __init__(self, per_worker: int) -> None:
        if per_worker < 1:
            raise ValueError("a worker holds at least one session")
        self._per_worker = per_worker
        self._places: dict[SessionId, int] = {}
        self._closed: set[int] = set()
        self._isolated: set[SessionId] = set()

    def place(self, session: SessionId) -> int:
        """Answer the number of the session's worker, choosing one if it has none: of its own, where it was isolated."""
        if session not in self._places:
            if session in self._isolated:
                self._close_off([session])
            else:
                self._places[session] = self._with_room()
        return self._places[session]

    def part(self, number: int) -> None:
        """Move the sessions of a worker to two closed ones, a half each."""
        sessions = self.on(number)
        for half in (sessions[: len(sessions) // 2], sessions[len(sessions) // 2 :]):
            self._close_off(half)
        self._closed.discard(number)

    def isolate(self, session: SessionId) -> None:
        """Whenever *session* is placed from now on, it has a worker of its own. It loses the place it has."""
        self._isolated.add(session)
        self.take_away(session)

    def forgive(self, session: SessionId) -> None:
        """Let *session* sit with others again, from its next place on."""
        self._isolated.discard(session)

    def open(self, number: int) -> None:
        """Let others be placed on this worker again: its sessions are not suspected any more. Not beside one that was isolated."""
        if self._isolated.isdisjoint(self.on(number)):
            self._closed.discard(number)

    def is_closed(self, number: int) -> bool:
        """Answer whether a session of this worker is suspected, or was isolated."""
        return number in self._closed

    @property
    def suspects(self) -> int:
        """How many workers hold sessions that are suspected, not yet isolated."""
        return sum(self._isolated.isdisjoint(self.on(number)) for number in self._closed)

    def where(self, session: SessionId) -> int | None:
        """Answer the number of the session's worker, if it has a place."""
        return self._places.get(session)

    def take_away(self, session: SessionId) -> int | None:
        """Free the session's place; answers the number of its worker when that is empty now."""
        number = self._places.pop(session, None)
        if number is None or number in self._places.values():
            return None
        self._closed.discard(number)
        return number

    def on(self, number: int) -> list[SessionId]:
        """Answer the sessions of one worker."""
        return [session for session, place in self._places.items() if place == number]

    def loads(self) -> dict[int, int]:
        """Answer how many sessions each worker has."""
        loads: dict[int, int] = {}
        for number in self._places.values():
            loads[number] = loads.get(number, 0) + 1
        return loads

    def _with_room(self) -> int:
        loads = self.loads()
        number = 1
        while number in self._closed or loads.get(number, 0) >= self._per_worker:
            number += 1
        return number

    def _close_off(self, sessions: list[SessionId]) -> None:
        number = max((*self._places.values(), *self._closed), default=0) + 1
        self._places |= dict.fromkeys(sessions, number)
        self._closed.add(number)
