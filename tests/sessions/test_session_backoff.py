"""Waiting times: they grow to a cap and stay there, whatever chance says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.backoff import Retry, wait_s

kinds = st.sampled_from(Retry)
counts = st.integers(min_value=-3, max_value=10**30)
chances = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)


def without_chance(kind: Retry, failures: int) -> float:
    return wait_s(kind, failures, lambda: 0.0)


@given(kind=kinds, failures=counts)
def test_the_next_wait_is_never_shorter_and_never_above_the_cap(kind: Retry, failures: int):
    wait = without_chance(kind, failures)
    assert wait <= without_chance(kind, failures + 1) <= kind.value.cap_s
    assert math.isfinite(wait)


@given(kind=kinds, failures=counts, chance=chances)
def test_chance_only_takes_away_and_only_its_share(kind: Retry, failures: int, chance: float):
    full = without_chance(kind, failures)
    wait = wait_s(kind, failures, lambda: chance)
    assert 0 < full * (1 - kind.value.jitter) * (1 - 1e-9) <= wait <= full


@pytest.mark.parametrize("kind", Retry)
def test_the_first_failure_waits_the_first_wait_and_many_wait_the_cap(kind: Retry):
    assert without_chance(kind, 1) == kind.value.first_s
    assert without_chance(kind, 0) == kind.value.first_s, "nobody failed yet: as after the first"
    assert without_chance(kind, 1000) == kind.value.cap_s


@pytest.mark.parametrize("kind", Retry)
def test_plans_are_sane(kind: Retry):
    plan = kind.value
    assert 0 < plan.first_s <= plan.cap_s
    assert plan.factor > 1
    assert 0 <= plan.jitter < 1
    assert len(Retry.__members__) == len(Retry), "two kinds with one plan would be one kind"


def test_a_replaced_session_leaves_the_other_one_alone_for_half_a_minute():
    assert wait_s(Retry.REPLACED, 1, lambda: 0.0) == 30.0
    assert wait_s(Retry.REPLACED, 1, lambda: 0.999) > 26.0
