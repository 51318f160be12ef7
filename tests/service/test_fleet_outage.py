"""WhatsApp away for everybody at once: no storm meanwhile, and everyone is back soon. The long one: `python -m benchmarks away`."""

from __future__ import annotations

import sys

from benchmarks.fleet_outage import Wish, busiest, run
from benchmarks.progress import Progress


async def test_a_fleet_without_whatsapp_makes_no_storm_and_is_back_soon_after() -> None:
    """Forty sessions, half a minute: connections counted on the only road to the lab."""
    course = await run(Wish(sessions=40, away_s=30.0, per_worker=20), Progress())
    sys.stdout.write(f"{course.line}\n")
    assert course.broken == []


def test_the_busiest_second_is_any_second() -> None:
    """Not one that begins with the clock's."""
    assert busiest([0.0, 0.8, 0.9, 1.1, 1.7, 5.0]) == 4
    assert busiest([]) == 0
