"""How many ends of a worker are too many: a table."""

from __future__ import annotations

import pytest

from sessions.engine.crashes import STABLE_S, SUSPECT_AFTER, Crashes, End

P, U, C, K, X = End.PLANNED, End.UNBORN, End.CRASHED, End.KILLED, End.OVERSPENT


@pytest.mark.parametrize(
    ("ends", "counted"),
    [
        ([C] * 4, 4),
        ([U] * 6, 6),
        ([C, C, C, P, C, C, C, C], 4),
        ([X] * 4, 4),
        ([C, X, X, C], 4),
        ([U, U, U, C], 4),
        ([C, C, C, U, C], 5),
        ([K] * 12, 12),
        ([C, C, K, K, K, C], 6),
        ([C, C, C, K, K, K], 6),
        ([K] * 5 + [C, C, C], 8),
    ],
)
def test_a_worker_is_given_up_at_the_last_of_these_and_not_before(ends: list[End], counted: int) -> None:
    """A row of kills is hardly one session's doing; a row of crashes is, and mixed they add up."""
    crashes = Crashes()
    assert [crashes.count(end, 1.0) for end in ends] == [False] * (len(ends) - 1) + [True]
    assert crashes.in_a_row == counted


def test_who_is_suspected_already_is_blamed_sooner() -> None:
    """Both ways."""
    for end, times in ((C, 2), (K, 6)):
        crashes = Crashes(SUSPECT_AFTER)
        assert [crashes.count(end, 1.0) for _ in range(times)] == [False] * (times - 1) + [True]


def test_a_long_life_and_a_plan_wipe_the_slate() -> None:
    """However many there were before."""
    crashes = Crashes()
    assert not any(crashes.count(C, STABLE_S + 1) for _ in range(20))
    assert crashes.in_a_row == 1
    assert not crashes.count(P, 1.0)
    assert crashes.in_a_row == 0
    assert not any(crashes.count(X, STABLE_S + 1) for _ in range(20))
    assert crashes.in_a_row == 0, "a slow leak, replaced in time, is nobody's crash"


def test_forgotten_they_count_no_more() -> None:
    """As after a revival."""
    crashes = Crashes()
    for end in (C, C, K, C):
        crashes.count(end, 1.0)
    crashes.forget()
    assert not any(crashes.count(C, 1.0) for _ in range(3))
