"""The command as people start it: a process of its own, with signals, exit statuses and sentences."""

from __future__ import annotations

import ast
import json
import os
import signal
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

import pytest
from vigia_command import VIGIA, free_port, refused, serving, status_of

from connector import __main__ as command
from connector.failures import ExitCode

SERVE = (*VIGIA, "serve")


@pytest.fixture
def port() -> int:
    """Answer a free port."""
    return free_port()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_first_start_and_its_end(own_folder: Path, port: int, number: int) -> None:
    """Folder and key are made for the owner alone, the key opens the door, a signal drains, and a second start finds the same key."""
    with serving({"PORT": str(port), "DATA_DIR": "dados é"}) as process:
        key = (own_folder / "dados é" / "api-key").read_text().strip()
        assert status_of(port, "/nowhere", key) == 404
        assert status_of(port, "/nowhere", key + "x") == 401
        process.send_signal(number)
        _, logged = process.communicate(timeout=30)
        assert process.returncode == ExitCode.STOPPED
    assert key not in logged + (own_folder / "dados é" / "logs" / "combined.log").read_text()
    assert logged.splitlines()[-1].endswith("Stopped.")
    for path in [own_folder / "dados é", *(own_folder / "dados é").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    with serving({"PORT": str(port), "DATA_DIR": "dados é"}):
        assert (own_folder / "dados é" / "api-key").read_text().strip() == key


def test_a_second_instance_and_a_taken_port(own_folder: Path, port: int) -> None:
    """Same folder: who has it. Another folder, same port: which one to choose."""
    with serving({"PORT": str(port)}) as process:
        status, said = refused({"PORT": "1"})
        assert status == ExitCode.DATA_DIR
        assert said.startswith(
            f"vigia: Another Vigia (process {process.pid}) already uses {own_folder / 'data'}: stop it, or"
        )
        status, said = refused({"PORT": str(port), "DATA_DIR": "other"})
        assert status == ExitCode.ADDRESS
        assert said.startswith(f"vigia: Port {port} on 127.0.0.1 is taken by another program: stop it, or set PORT")
        assert said.count("\n") == 1


SLOW = """
import asyncio
from connector import app

async def start(settings, data, redact, parts):
    parts.push_async_callback(asyncio.Event().wait)
    return app.Serving(lambda: 0)

app.run(start, lambda text: print(text, flush=True))
"""


def test_a_second_signal_ends_at_once(port: int) -> None:
    """Even when something does not stop, and would not let the process end."""
    env = {**os.environ, "PORT": str(port)}
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            while "Stopping" not in (line := process.stderr.readline()):
                assert line, "it ended"
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == ExitCode.INTERRUPTED
            assert process.stderr.read().endswith("Asked to stop again: ending at once.\n")
        finally:
            process.kill()


def test_a_new_key_is_shown_once_and_only_to_a_terminal(own_folder: Path, port: int) -> None:
    """A person sees it; what collects output into a log does not."""
    shown: list[str] = []
    for _ in range(2):
        ours, theirs = os.openpty()
        with os.fdopen(ours, "rb", 0) as terminal:
            process = subprocess.Popen(
                SERVE, env={**os.environ, "PORT": str(port)}, stdout=theirs, stderr=subprocess.PIPE, text=True
            )
            os.close(theirs)
            with process:
                assert process.stderr is not None
                while "Ready on" not in (line := process.stderr.readline()):
                    assert line, "it ended"
                process.terminate()
                process.wait(timeout=30)
                shown.append(terminal.read(65_536).decode())
    key = (own_folder / "data" / "api-key").read_text().strip()
    assert key in shown[0]
    assert key not in shown[1]


def test_every_wrong_setting_is_told_at_once() -> None:
    """A line each, and nothing else."""
    status, said = refused(
        {"PORT": "none", "LOG_LEVEL": "LOUD", "API_KEY": "two planted words", "WHATSAPP_LAB_ROOT_KEY": "ab"}
    )
    assert status == ExitCode.USAGE
    told = [line.split()[1] for line in said.splitlines()]
    assert told == ["PORT", "API_KEY", "LOG_LEVEL", "WHATSAPP_LAB_ROOT_KEY", "WHATSAPP_LAB_PROXY"]
    assert "planted" not in said


def test_a_data_folder_that_cannot_be_is_told(own_folder: Path) -> None:
    """Here it lies under a file."""
    (own_folder / "file").touch()
    status, said = refused({"DATA_DIR": "file/data"})
    assert (status, said.count("\n")) == (ExitCode.DATA_DIR, 1)
    assert "is, or leads through, a file" in said


def test_logs_that_cannot_be_written_are_told(own_folder: Path) -> None:
    """Somebody made a file where their folder belongs."""
    data = own_folder / "data"
    data.mkdir(mode=0o700)
    (data / "logs").touch()
    status, said = refused({})
    assert (status, said.count("\n")) == (ExitCode.DATA_DIR, 1)
    assert said.startswith(f"vigia: The logs in {data / 'logs'} cannot be written")


def test_lab_mode_is_loud(own_folder: Path, port: int) -> None:
    """Nobody should believe for a minute that this is the real WhatsApp."""
    ca = own_folder / "ca.pem"
    ca.touch()
    lab = {"WHATSAPP_LAB_PROXY": "http://127.0.0.1:9", "WHATSAPP_LAB_CA": str(ca), "WHATSAPP_LAB_ROOT_KEY": "ab" * 32}
    with serving({"PORT": str(port), **lab}) as process:
        with urlopen(f"http://127.0.0.1:{port}/health/live", timeout=10) as answer:
            assert json.load(answer) == {"status": "ok", "lab": True}
        process.terminate()
        assert (
            "WARNING  connector.app: LAB MODE: every session talks to the local WhatsApp"
            in process.communicate(timeout=30)[1]
        )


def test_a_slip_in_the_file_is_a_warning(own_folder: Path, port: int) -> None:
    """The service starts all the same."""
    (own_folder / ".env.supabase").write_text(f"PORT={port}\nHOSTT=0.0.0.0\n")
    with serving({}) as process:
        process.terminate()
        assert "did you mean HOST?" in process.communicate(timeout=30)[1]


@pytest.mark.parametrize("arguments", [[], ["dispatch"], ["serve", "--port"], ["serve", "extra"]])
def test_an_unknown_command_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage, and the status for it."""
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("usage: vigia")


def test_help_names_every_setting_that_matters_and_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    """What a person needs who has only the terminal."""
    with pytest.raises(SystemExit) as caught:
        command.main(["serve", "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(
        name in text for name in ("HOST", "PORT", "DATA_DIR", "API_KEY", ".env.supabase", "docs/configuration.md")
    )
    listed = {line.split()[0] for line in text.partition("exit status:")[2].splitlines() if line}
    assert listed == {str(code.value) for code in ExitCode}


@pytest.mark.parametrize("name", [one.name for one in command.COMMANDS])
def test_every_command_says_what_it_does_and_how_it_ends(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """On lines that fit a terminal."""
    with pytest.raises(SystemExit) as caught:
        command.main([name, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: vigia {name}")
    assert "\nexit status:\n  0    " in text
    assert max(map(len, text.splitlines())) <= 120


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    """One source of it."""
    with pytest.raises(SystemExit):
        command.main(["--version"])
    assert capsys.readouterr().out == f"vigia {version('vigia')}\n"


def test_an_old_python_gets_a_sentence() -> None:
    """It can read the file that far, and then hears what to do."""
    source = Path(command.__file__).read_text()
    ast.parse(source, feature_version=(3, 7))
    pretend = (
        "import sys, runpy; sys.version_info = (3, 9, 2); sys.version = '3.9.2 (x)'; runpy.run_module('connector')"
    )
    ended = subprocess.run([sys.executable, "-c", pretend], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Vigia needs Python 3.11 or newer, not 3.9.2: install one, and start it with that.\n"
