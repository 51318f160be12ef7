"""What the judge of the kill test says of rows that are not as they should be."""

from __future__ import annotations

import pytest

from benchmarks.mayhem import Round, Victim
from benchmarks.verdict import Verdict, differences

ACKED = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (["a", "b", "c"], []),
        (["a", "c"], []),
        (["a", "b", "b", "c"], ["1 rows twice"]),
        (["a", "c", "b"], ["rows out of order from the 2th of 3 on"]),
        (["a", "b", "x"], ["1 rows that the local WhatsApp knows nothing of"]),
    ],
)
def test_what_is_there_is_there_once_and_in_order(ids: list[str], says: list[str]):
    assert differences("rows", ids, ACKED) == says


@pytest.mark.parametrize(
    ("victim", "lost", "bad"),
    [
        (Victim.WORKER, 100, False),
        (Victim.WORKER, 101, True),
        (Victim.HUB, 1, True),
        (Victim.POSTGRES, 1, True),
        (Victim.HUB, 0, False),
    ],
)
def test_only_a_worker_may_take_the_engines_window_with_it(victim: Victim, lost: int, bad: bool):
    one = Round(1, victim, 1, 0.0, 0.0, {"loja-1": lost}, Verdict())
    assert bool(one.broken) is bad
