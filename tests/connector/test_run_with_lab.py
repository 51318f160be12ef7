"""`./scripts/run --lab`, as a newcomer runs it: the service, a local WhatsApp, two phones, and one Ctrl-C for both."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "run_with_lab.py"


def read_json(url: str) -> object:
    with urlopen(url, timeout=10) as answer:  # noqa: S310 - the address that the script under test printed
        return json.load(answer)


def test_both_come_up_and_both_go(own_folder: Path) -> None:
    """What it prints can be pasted, and after Ctrl-C nothing is left; a second start finds its phones again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    for _ in range(2):
        with subprocess.Popen(
            [sys.executable, str(SCRIPT)], env={**os.environ, "PORT": str(port)}, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            urls: list[str] = []
            for line in process.stdout:
                if line.startswith("  curl ") and line.count(" ") == 3:
                    urls.append(line.split()[1])
                if line.startswith("Ctrl-C"):
                    break
            ready, phones = map(read_json, urls)
            assert ready == {"status": "ok", "lab": True, "sessions": 0}
            assert json.dumps(phones).count('"number"') == 2
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        for url in urls:
            with pytest.raises(URLError):
                read_json(url)
    assert sorted(path.name for path in (own_folder / "data" / "lab").iterdir()) == ["service", "whatsapp"]
