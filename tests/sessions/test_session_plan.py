"""When a session tries next. Time is told by the test."""

from __future__ import annotations

import pytest

from sessions import engine
from sessions.backoff import Retry
from sessions.engine.channel import GRACE_S
from sessions.plan import OVERDUE_S, STEADY_S, TRYING_S, Plan
from sessions.session import SETTLE_S


class Told:
    def __init__(self) -> None:
        self.at = 1000.0
        self.plan = Plan(lambda: 0.0, lambda: self.at)


@pytest.fixture
def told() -> Told:
    return Told()


def test_nothing_is_planned_until_something_is(told: Told):
    assert (told.plan.wait_s, told.plan.retry_in_s, told.plan.trying_s) == (None, None, None)


def test_what_is_planned_comes_nearer_and_is_due(told: Told):
    told.plan.after(5.0)
    told.at += 4.0
    assert (told.plan.wait_s, told.plan.retry_in_s) == (1.0, 1.0)
    told.at += 4.0
    assert (told.plan.wait_s, told.plan.retry_in_s) == (-3.0, 0.0)
    told.plan.never()
    assert told.plan.wait_s is None


def test_a_look_comes_before_the_try_and_is_no_try(told: Told):
    told.plan.after(20.0, look_s=3.0)
    assert (told.plan.wait_s, told.plan.retry_in_s) == (3.0, 20.0)
    told.at += 3.0
    assert told.plan.patient()
    assert told.plan.wait_s == 17.0
    told.at += 17.0
    assert not told.plan.patient()


def test_a_try_under_way_is_no_plan_for_people_and_has_no_end_until_it_is_to_settle(told: Told):
    told.plan.attempt()
    told.at += 100.0
    assert (told.plan.wait_s, told.plan.retry_in_s, told.plan.trying_s) == (None, None, 100.0)
    told.plan.settle(45.0)
    told.at += 10.0
    assert (told.plan.wait_s, told.plan.retry_in_s, told.plan.trying_s) == (35.0, None, 110.0)
    told.plan.connected()
    assert (told.plan.wait_s, told.plan.trying_s) == (None, None)


def test_a_try_hangs_when_it_lasts_too_long_or_is_long_due(told: Told):
    told.plan.attempt()
    told.at += TRYING_S
    assert not told.plan.hangs
    told.plan.settle(45.0)
    told.at += 1.0
    assert told.plan.hangs, "it counts from its beginning"
    told.plan.after(20.0, look_s=3.0)
    told.at += 3.0 + OVERDUE_S
    assert not told.plan.hangs
    told.at += 1.0
    assert told.plan.hangs, "not even the look was made"
    told.plan.never()
    assert not told.plan.hangs


def test_a_try_that_takes_all_the_time_it_is_given_does_not_hang():
    """Else the watchdog would break off the last of a worker's sessions, over and over."""
    its_time = engine.WORKER_UP_S + engine.CLOSE_S + GRACE_S + engine.LINE_UP_S + SETTLE_S
    assert its_time + engine.CLOSE_S < TRYING_S, "a close that is under way is waited for, too"


def test_failures_in_a_row_wait_longer_each_time_and_kinds_are_apart(told: Told):
    waits: list[float | None] = []
    for kind in (Retry.REOPEN, Retry.REOPEN, Retry.LOCKED, Retry.REOPEN):
        told.plan.again(kind)
        waits.append(told.plan.wait_s)
    assert waits == pytest.approx([0.5, 1.0, 0.2, 2.0])
    told.plan.forget()
    told.plan.again(Retry.REOPEN, at_least_s=7.0)
    assert told.plan.wait_s == 7.0


def test_connected_for_long_enough_it_begins_anew(told: Told):
    told.plan.again(Retry.REOPEN)
    told.plan.connected()
    told.at += STEADY_S + 1
    told.plan.again(Retry.REOPEN)
    assert told.plan.wait_s == 0.5


def test_replaced_again_and_again_it_gives_way_for_good(told: Told):
    """However long each connection lasted: two programs that fight for one account would go on for ever."""
    waits: list[float | None] = []
    for _ in range(5):
        told.plan.again(Retry.REPLACED)
        waits.append(told.plan.wait_s)
        told.plan.connected()
        told.at += 600.0
    assert waits == [30.0, 60.0, 120.0, 240.0, None]
    told.at += 90_000.0
    told.plan.again(Retry.REPLACED)
    assert told.plan.wait_s == 30.0
