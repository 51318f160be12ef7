"""`./scripts/run --lab`, as a newcomer runs it: the service, a local WhatsApp, two phones, and one Ctrl-C for both."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
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
