"""Turns: a few at once, then one after another."""

from __future__ import annotations

import pytest

from sessions.turns import Turns


def test_a_burst_goes_at_once_and_the_rest_in_line():
    turns = Turns(per_s=10.0, burst=3, now=lambda: 50.0)
    assert [turns.take() for _ in range(6)] == pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3])


def test_never_more_a_second_than_there_may_be():
    now = 0.0
    turns = Turns(per_s=20.0, burst=25, now=lambda: now)
    at = [turns.take() for _ in range(200)]
    assert max(sum(second <= one < second + 1 for one in at) for second in range(10)) <= 25 + 20
    assert 8.0 < at[-1] < 10.0


def test_after_a_rest_there_is_a_burst_again():
    now = 0.0
    turns = Turns(per_s=10.0, burst=2, now=lambda: now)
    for _ in range(10):
        turns.take()
    now = 60.0
    assert [turns.take() for _ in range(3)] == pytest.approx([0.0, 0.0, 0.1])
