"""No remedy becomes a storm."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sessions.model import SessionId
from watchdog.pace import Limits, Pace
from watchdog.remedies import KickSink, Nothing, Reconnect, RestartPostgres

LIMITS = Limits(first_s=30, factor=2, cap_s=300, calm_s=600, at_once=3)


def test_a_remedy_is_tried_at_once_and_then_ever_more_rarely() -> None:
    """Asked for every second of an hour, it is carried out after 30 s, 60 s, 120 s..., and no more rarely than the cap."""
    pace = Pace(LIMITS)
    tried = [now for now in range(3600) if pace.due([RestartPostgres()], float(now))]
    waits = [after - before for before, after in pairwise(tried)]
    assert tried[0] == 0
    assert waits[:4] == [30, 60, 120, 240]
    assert set(waits[4:]) == {300}
    assert pace.count(RestartPostgres()) == len(tried)


def test_what_was_well_for_long_is_begun_anew() -> None:
    """A short relief is none: the next wait is as long as it would have been."""
    pace = Pace(LIMITS)
    wanted = [KickSink("record")]
    assert [bool(pace.due(wanted, now)) for now in (0.0, 31.0, 80.0, 500.0, 500.0 + 601.0)] == [
        True,
        True,
        False,
        True,
        True,
    ]
    assert pace.count(KickSink("record")) == 1


def test_one_round_does_only_so_much_and_nobody_is_forgotten() -> None:
    """A hundred sessions that need the same are helped a few at a time, each once before any a second time."""
    pace = Pace(LIMITS)
    wanted = [Reconnect(SessionId(str(number))) for number in range(20)]
    order = [one for now in range(7) for one in pace.due(wanted, float(now))]
    assert order == wanted


def test_nothing_is_never_due() -> None:
    """It is a remedy for nobody."""
    assert Pace(LIMITS).due([Nothing()], 0.0) == []


@given(st.lists(st.tuples(st.floats(0, 100), st.sets(st.integers(0, 8))), max_size=60))
def test_no_history_leads_to_more_than_the_limits_allow(history: list[tuple[float, set[int]]]) -> None:
    """Whoever asks whenever: at most three in a round, and the same one not within thirty seconds."""
    pace, now, last = Pace(LIMITS), 0.0, dict[object, float]()
    for passed, asked in history:
        now += passed
        due = pace.due([KickSink(str(one)) for one in sorted(asked)], now)
        assert len(due) <= 3
        for one in due:
            assert now - last.get(one, -1e9) >= 30
            last[one] = now
