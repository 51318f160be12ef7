"""Sessions on workers: never too many on one, kept in place, as few workers as can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sessions.engine.placement import Placement
from sessions.model import SessionId

sessions = st.integers(0, 12).map(lambda number: SessionId(f"s{number}"))


class Walk(RuleBasedStateMachine):
    """Any order of coming and going."""

    @initialize(per_worker=st.integers(1, 4))
    def begin(self, per_worker: int) -> None:
        self.per_worker = per_worker
        self.placement = Placement(per_worker)
        self.places: dict[SessionId, int] = {}

    @rule(session=sessions)
    def come(self, session: SessionId) -> None:
        loads = dict(self.placement.loads())
        number = self.placement.place(session)
        if session in self.places:
            assert number == self.places[session], "a session keeps its place"
        else:
            assert all(loads.get(lower, 0) == self.per_worker for lower in range(1, number)), "the first with room"
            self.places[session] = number

    @rule(session=sessions)
    def go(self, session: SessionId) -> None:
        number = self.places.pop(session, None)
        empty = number is not None and number not in self.places.values()
        assert self.placement.take_away(session) == (number if empty else None)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "placement"):
            return
        loads = self.placement.loads()
        assert all(1 <= load <= self.per_worker for load in loads.values())
        assert sum(loads.values()) == len(self.places)
        for number, load in loads.items():
            on = self.placement.on(number)
            assert len(on) == load
            assert {self.places[session] for session in on} == {number}
        assert all(self.placement.where(session) == number for session, number in self.places.items())


TestWalk = Walk.TestCase


@given(count=st.integers(0, 40), per_worker=st.integers(1, 9))
def test_newcomers_are_packed(count: int, per_worker: int):
    placement = Placement(per_worker)
    for number in range(count):
        placement.place(SessionId(str(number)))
    assert len(placement.loads()) == -(-count // per_worker)


def test_a_session_without_a_place_is_nowhere():
    placement = Placement(2)
    assert placement.where(SessionId("x")) is None
    assert placement.on(1) == []


def test_a_worker_for_nobody_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Placement(0)
