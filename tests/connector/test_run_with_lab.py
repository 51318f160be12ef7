"""`./scripts/run --lab`, as a newcomer runs it: the service, a local WhatsApp, two phones, and one Ctrl-C for both."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "run_with_lab.py"


def read_json(url: str) -> object:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - the address that the script under test printed
        return json.load(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def paste(lines: list[str]) -> list[str]:
    """Run commands in one shell, as a person pastes them; answer what each `curl` of them printed."""
    script = "set -e\n" + "".join(f"{line}; echo\n" if line.startswith("  curl ") else f"{line}\n" for line in lines)
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60, check=True).stdout
    return said.strip().split("\n")


@contextmanager
def running(port: int) -> Generator[tuple[subprocess.Popen[str], list[str]]]:
    """Start the script; answer it with all that it printed once it was ready."""
    env = {**os.environ, "PORT": str(port)}
    with subprocess.Popen([sys.executable, str(SCRIPT)], env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or not lines[-1].startswith("Ctrl-C"):
                lines.append(process.stdout.readline())
                assert lines[-1], "it ended"
            yield process, lines
        finally:
            process.terminate()


def test_both_come_up_and_both_go(own_folder: Path) -> None:
    """What it prints can be pasted, and after Ctrl-C nothing is left; a second start finds its phones again."""
    port = free_port()
    for _ in range(2):
        with running(port) as (process, lines):
            urls = [line.split()[1] for line in lines if line.startswith("  curl ")][:2]
            ready, phones = map(read_json, urls)
            assert ready == {"status": "ok", "lab": True, "sessions": 0}
            assert json.dumps(phones).count('"number"') == 2
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        for url in urls:
            with pytest.raises(URLError):
                read_json(url)
    assert sorted(path.name for path in (own_folder / "data" / "lab").iterdir()) == ["service", "whatsapp"]


def test_what_it_prints_leads_from_a_code_to_an_answer_on_the_phone(own_folder: Path) -> None:
    """A connection, its code scanned, a text in, its atendimento, a text out: each command as it stands there."""
    with running(free_port()) as (process, lines):
        health, _phones, *rest = [line.rstrip() for line in lines if line.startswith("  ") and line.strip()]
        names, linking, talking = rest[:2], rest[2:5], rest[5:]
        assert json.loads(paste([*names, *linking])[0])["connectionId"] == "loja"
        until(names, '  curl -s -H "$KEY" $API/connections/loja', '"status": "connected"')
        write, active, send, got = talking
        paste([*names, write])
        until(names, active, '"status": "AGUARDANDO"')
        sent = json.loads(paste([*names, send])[-1])
        assert (sent["status"], sent["recorded"]) == ("sent", True)
        assert "olá" in until(names, got, '"from"')
        assert '"ok"' in paste([health])[0]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def until(names: list[str], command: str, fact: str) -> str:
    """Give *command* until its answer holds *fact*."""
    ends = time.monotonic() + 30
    while fact.replace(" ", "") not in (said := paste([*names, command])[-1]).replace(" ", ""):
        assert time.monotonic() < ends, said
        time.sleep(0.1)
    return said
