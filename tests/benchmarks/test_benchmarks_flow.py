"""The benchmarks of the two walks, and of a dead webhook, run to their end and say what they found. Not how fast anything is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.flow import Latency, Report, Speed


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("inbound", ["one phone: service", "2 phones, a session each: bare neonize", "from a phone's send to the row"]),
        ("outbound", ["one after another: bare neonize", "50 in flight: service"]),
        ("backlog", ["takes", "refuses", "hangs", "each event once and in order"]),
    ],
)
def test_a_quick_run(tmp_path: Path, name: str, says: list[str]) -> None:
    """Its tables, and nothing left behind."""
    command = [sys.executable, "-m", "benchmarks", name, "--quick", "--folder", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert [words for words in says if words not in ended.stdout] == []
    assert list(tmp_path.iterdir()) == []


def test_the_service_is_compared_with_the_bare_run_before_it() -> None:
    """Pairs, in order; CPU is told by the message."""
    report = Report(
        [Speed("bare", 100, 1.0, {"hub": 0.0}, 0.5), Speed("service", 100, 2.0, {"hub": 0.05}, 0.5)],
        [Latency("soon", 100, 1.0, 2.0, 3.0, 0.5)],
    )
    assert report.ratios == [0.5]
    table = [line.split() for line in report.table().splitlines()]
    assert ["100", "bare", "100", "-", "0.00", "0.5"] in table
    assert ["100", "service", "50", "0.50", "0.50", "0.5"] in table
    assert ["100", "soon", "1.0", "2.0", "3.0", "0.5"] in table
