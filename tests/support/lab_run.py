"""`./scripts/run --lab` as a child: started, read, asked as its own page asks, ended."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SCRIPT = Path(__file__).parents[2] / "scripts" / "run_with_lab.py"
LONG_S = 90.0


@dataclass(frozen=True, slots=True)
class Run:
    """The script while it runs, and what it printed."""

    process: subprocess.Popen[str]
    said: str

    def address(self, what: str) -> str:
        found = re.search(rf"^{what}: +(\S+)", self.said, re.MULTILINE)
        assert found, self.said
        return found[1]

    @property
    def page(self) -> str:
        return self.address("The whole job by clicks").rstrip("/")


class Refused(Exception):
    """An address refused: its status."""


def fetch(url: str, data: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})) -> str:
    """Answer the headers and the body of an address. Raises `Refused`, or URLError where nobody listens."""
    try:
        with urlopen(Request(url, data, dict(headers)), timeout=60) as answer:  # noqa: S310 - addresses that the script printed
            return f"{answer.headers}\n{answer.read().decode()}"
    except HTTPError as error:
        with error:
            raise Refused(error.code) from None


def ask(url: str, body: object = None, **headers: str) -> Any:
    """Answer the JSON of an address; with *body* it is posted, as the page itself does."""
    if body is None:
        said = fetch(url, headers=headers)
    else:
        said = fetch(url, json.dumps(body).encode(), {"Origin": "/".join(url.split("/")[:3]), **headers})
    return json.loads(said.partition("\n\n")[2])


def until(look: Callable[[], Any]) -> Any:
    """Look until there is something to see, and answer it."""
    ends = time.monotonic() + LONG_S
    while not (seen := look()):
        assert time.monotonic() < ends, "it did not come"
        time.sleep(0.1)
    return seen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(port: int, *, stdin: int = subprocess.DEVNULL, **more: str) -> Generator[Run]:
    """Start the script, with a descriptor as its input; answer it once it has said what to do next."""
    env = {**os.environ, "PORT": str(port), **more}
    command = [sys.executable, str(SCRIPT)]
    with subprocess.Popen(command, env=env, stdin=stdin, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while "Ctrl-C" not in "".join(lines):
                lines.append(process.stdout.readline())
                assert lines[-1], "it ended"
            yield Run(process, "".join(lines))
        finally:
            process.terminate()


def end(run: Run) -> None:
    """Press Ctrl-C."""
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=60) == 0


def gone(url: str) -> bool:
    try:
        fetch(url)
    except Refused:
        return False
    except URLError:
        return True
    return False


def everywhere(run: Run) -> list[str]:
    """Answer an address of each of the three that run."""
    return [f"{run.page}/links", run.address("The API to try out"), run.address("Local WhatsApp") + "/phones"]
