"""The benchmarks run to their end, say what they found, and leave nothing behind. Not how fast anything is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks import soak
from benchmarks.figures import Cell, Report
from benchmarks.kills import Round
from benchmarks.processes import Memory
from benchmarks.sessions import Plan
from sessions.model import SessionId


def _command(tmp_path: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *arguments, "--folder", str(tmp_path)]


def test_a_quick_run_measures_the_service_beside_bare_neonize(tmp_path: Path) -> None:
    """Two sessions: a table, the same figures as JSON, and no file left."""
    figures = tmp_path / "figures.json"
    folder = tmp_path / "here"
    folder.mkdir()
    command = _command(folder, "sessions", "--quick", "--json", str(figures))
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    service, bare = json.loads(figures.read_text())["cells"]
    assert (service["sessions"], service["per_worker"], bare["per_worker"]) == (2, 25, None)
    for cell in (service, bare):
        assert cell["messages"] == 2 * 2 * 3
        assert cell["start_cpu_s"] > 0
        assert cell["login"]["hub_mb"] > 5
        assert cell["traffic"]["hub_mb"] > 5
    assert len(service["login"]["workers_mb"]) == 1
    assert service["login"]["database_mb"] > 5
    assert (bare["login"]["workers_mb"], bare["login"]["database_mb"]) == ([], 0)
    assert "service, 25 a worker" in ended.stdout
    assert "bare neonize" in ended.stdout
    assert list(folder.iterdir()) == []


def test_a_soak_of_one_kill(tmp_path: Path) -> None:
    """The seed, a line for the kill, the verdict."""
    wish = [
        "--kills",
        "1",
        "--sessions",
        "2",
        "--per-worker",
        "1",
        "--rate",
        "20",
        "--seed",
        "7",
        "--back-within",
        "60",
    ]
    ended = subprocess.run(_command(tmp_path, "soak", *wish), capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seed, kill, verdict = ended.stdout.splitlines()
    assert seed == "seed 7"
    assert kill.startswith("kill   1: worker ")
    assert verdict == "held: 1 kills, every bound kept"
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    """In the middle of a pairing: children end, the folder is removed, the shell hears 130."""
    with subprocess.Popen(
        _command(tmp_path, "soak", "--sessions", "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("seed ")
        children = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGINT)
        _said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert errors.endswith("stopped\n")
    assert children
    assert not [child for child in children if child.is_running()]
    assert list(tmp_path.iterdir()) == []


def test_wrong_arguments_are_a_sentence(tmp_path: Path) -> None:
    """Not a traceback."""
    for wrong in (["sessions", "--counts", "0"], ["soak", "--kills", "x"], []):
        ended = subprocess.run(_command(tmp_path, *wrong), capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 2
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("count", "expected"),
    [(10, [25, None]), (25, [25, None]), (50, [25, None, 50]), (100, [25, None, 50, 100]), (200, [25, None, 50, 100])],
)
def test_no_start_is_measured_twice(count: int, expected: list[int | None]) -> None:
    """Ten sessions fit into one worker of twenty-five and of a hundred alike."""
    assert Plan().cells(count) == expected


def test_figures_stand_under_each_other() -> None:
    """A line a start, with the shares computed."""
    cell = Cell(
        sessions=200,
        per_worker=25,
        load=1.25,
        start_s=7.5,
        start_cpu_s=11.0,
        login=Memory(hub_mb=60.0, workers_mb=[30.0] * 8, database_mb=40.0),
        idle_cpu_percent=3.0,
        messages=8000,
        traffic_s=10.0,
        traffic_cpu_s=12.0,
        traffic=Memory(hub_mb=80.0, workers_mb=[60.0] * 8, database_mb=50.0),
        stop_s=2.0,
    )
    head, rule, row = Report(cells=[cell]).table().splitlines()[-3:]
    assert len(head) == len(rule) == len(row)
    for figure in (" 1.50 ", " 2.80 ", " 8 x 60 ", " 50 ", " 7.5 ", " 800 "):
        assert figure in row


def _round(**more: Any) -> Round:
    usual: dict[str, Any] = {"number": 3, "victim": 42, "back_s": 1.0}
    return Round(**usual | more)


@pytest.mark.parametrize(
    ("kill", "fights", "words"),
    [
        (_round(missing={SessionId("a"): 101}), 0, "more than 100 texts of one session lost by kill 3"),
        (_round(doubled=2), 0, "2 texts heard twice"),
        (_round(), 1, "1 logins fought another"),
        (_round(back_s=5.1), 0, "back later than 5 s after kill 3"),
    ],
)
def test_each_broken_bound_is_said(kill: Round, fights: int, words: str) -> None:
    """And nothing else."""
    assert soak.broken([_round(), kill], fights, 5.0) == [words]


def test_what_the_engine_held_may_be_lost() -> None:
    """A hundred texts of each session are within the bound, and told all the same."""
    kill = _round(missing={SessionId("a"): 100, SessionId("b"): 100})
    assert soak.broken([kill], 0, 5.0) == []
    assert "200 lost (100 at most of one session)" in soak.line(kill, 5.0)
    assert "LATE" in soak.line(_round(back_s=9.0), 5.0)
