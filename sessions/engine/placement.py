"""Which session sits on which worker. Pure."""

from __future__ import annotations

from sessions.model import SessionId


class Placement:
    """Fills workers one after another, so that as few run as can. A session keeps its place until it is taken away."""

    def __init__(self, per_worker: int) -> None:
        if per_worker < 1:
            raise ValueError("a worker holds at least one session")
        self._per_worker = per_worker
        self._places: dict[SessionId, int] = {}

    def place(self, session: SessionId) -> int:
        """Answer the number of the session's worker, choosing one if it has none."""
        if session not in self._places:
            loads = self.loads()
            number = 1
            while loads.get(number, 0) >= self._per_worker:
                number += 1
            self._places[session] = number
        return self._places[session]

    def where(self, session: SessionId) -> int | None:
        """Answer the number of the session's worker, if it has a place."""
        return self._places.get(session)

    def take_away(self, session: SessionId) -> int | None:
        """Free the session's place; answers the number of its worker when that is empty now."""
        number = self._places.pop(session, None)
        return number if number is not None and number not in self._places.values() else None

    def on(self, number: int) -> list[SessionId]:
        """Answer the sessions of one worker."""
        return [session for session, place in self._places.items() if place == number]

    def loads(self) -> dict[int, int]:
        """Answer how many sessions each worker has."""
        loads: dict[int, int] = {}
        for number in self._places.values():
            loads[number] = loads.get(number, 0) + 1
        return loads
