"""The command `vigia check`: the real program, beside a service and without one."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from vigia_command import VIGIA, free_port, serving

from connector import checkup
from connector.check import line
from connector.checkup import Result, failed, fine
from connector.failures import ExitCode
from lab.client import Place, lab_process


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """Run a local WhatsApp."""
    with lab_process(log=tmp_path_factory.mktemp("lab") / "lab.log") as place:
        yield place


@pytest.fixture
def settings(place: Place) -> dict[str, str]:
    """Answer the settings of a service in lab mode on a free port."""
    lab = {"PROXY": place.proxy, "CA": str(place.ca), "ROOT_KEY": place.root_key}
    return {"PORT": str(free_port())} | {f"WHATSAPP_LAB_{name}": value for name, value in lab.items()}


def check(settings: dict[str, str], *words: str) -> tuple[int, str]:
    """Run the command; answer its status and what it said. It writes nothing but that."""
    ended = subprocess.run(
        [*VIGIA, "check", *words],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_before_the_first_start_and_beside_a_service(own_folder: Path, settings: dict[str, str]) -> None:
    """All is right both times; who runs is told; what was tried is gone."""
    status, said = check(settings)
    assert status == ExitCode.STOPPED, said
    lines = said.splitlines()
    assert [one[5:19].rstrip() for one in lines[: len(checkup.STEPS)]] == [one.title for one in checkup.STEPS]
    assert "no Vigia runs on this folder" in said
    assert lines[-1].startswith(f"All {len(checkup.STEPS)} steps are right")
    assert {path.name for path in (own_folder / "data").rglob("*")} == {"spool", "vigia.lock"}
    with serving(settings) as process:
        status, said = _until_right(settings)
        assert f"a Vigia (process {process.pid}) runs on this folder" in said
        assert f"a Vigia answers on 127.0.0.1:{settings['PORT']}" in said
        assert process.poll() is None
        process.terminate()
        _, logged = process.communicate(timeout=30)
    assert not re.search("ERROR|WARNING +connector.(?!app: LAB MODE)", logged), logged


def _until_right(settings: dict[str, str]) -> tuple[int, str]:
    """The service's own database takes a moment to come up."""
    tried = [check(settings)]
    while tried[-1][0] != ExitCode.STOPPED and len(tried) < 10:
        tried.append(check(settings))
    assert tried[-1][0] == ExitCode.STOPPED, tried[-1][1]
    return tried[-1]


def test_everything_that_is_wrong_is_told_at_once(own_folder: Path, settings: dict[str, str]) -> None:
    """For a program too, which finds each by name."""
    (own_folder / "data").mkdir(mode=0o700)
    (own_folder / "data" / "spool").touch()
    wrong = {
        "DATABASE_URL": "postgresql://u:planted-password@127.0.0.1:1/x",
        "WEBHOOK_URL": "http://127.0.0.1:1/planted-path",
        "WHATSAPP_LAB_PROXY": "http://127.0.0.1:1",
    }
    (own_folder / "data" / "vigia.lock").touch()
    status, said = check({**settings, **wrong}, "--json")
    assert status == ExitCode.BUG
    told = json.loads(said)
    assert told["ok"] is False
    failures = {one["name"]: one for one in told["steps"] if one["status"] == "fail"}
    assert set(failures) == {"spool", "database", "whatsapp", "webhook"}
    assert all(one["remedy"] and one["seconds"] >= 0 for one in failures.values())
    assert {one["name"] for one in told["steps"]} == {one.name for one in checkup.STEPS}
    assert "planted" not in said


def test_wrong_settings_are_told_as_the_start_tells_them() -> None:
    """Each in a line, under one mark."""
    status, said = check({"PORT": "none", "LOG_LEVEL": "LOUD"})
    assert status == ExitCode.BUG
    first, second, *_ = said.splitlines()
    assert first.startswith("FAIL Settings       PORT must be a whole number")
    assert second.startswith(" " * 20 + "LOG_LEVEL must be")


def test_a_step_is_a_line_and_its_remedy_another() -> None:
    """With the time, where it took any."""
    assert line(Result("disk", "Disk", fine("9 GB free"), 0.2)) == "ok   Disk           9 GB free"
    assert line(Result("disk", "Disk", failed("Full.", "Free some."), 2.25)) == (
        "FAIL Disk           Full. (2.2 s)\n                    Free some."
    )
