"""Everything that can happen to a database, in random order, under load: nothing is lost or doubled, and nobody waits in vain."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from benchmarks.database import Way
from benchmarks.outage import Episode, Wish, outage
from benchmarks.rig import Numbers
from lab.client import LabClient

WISH = Wish(sessions=4, rate=30.0)
RUNS = (Way.POSTGRES, Way.REST, Way.POSTGRES)


def tell(episode: Episode) -> None:
    """Say what a fault did, for whoever looks at a failure."""
    sys.stdout.write(f"{episode}\n")


@pytest.mark.timeout(1200)  # the faults alone take two minutes, and a parked queue looks again every half minute
@pytest.mark.parametrize("run", range(len(RUNS)), ids=lambda run: f"{run + 1}-{RUNS[run]}")
async def test_no_outage_of_the_database_costs_anything(
    tmp_path: Path, lab: LabClient, number: Numbers, run: int
) -> None:
    """Each fault once. Texts, sends and events go on; a read is answered, or refused with a time. More: `scripts/soak --outage`."""
    way, seed = RUNS[run], random.SystemRandom().randrange(1 << 32)
    sys.stdout.write(f"over {way}, seed {seed}\n")
    async with outage(tmp_path, lab, way, WISH, seed, number) as made:
        broken, verdict = await made.run(way, tell)
    sys.stdout.write(f"{verdict.rows} rows, sends: {dict(verdict.sends)}\n")
    assert broken == []
