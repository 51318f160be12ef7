"""The command as people start it: a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection

VIGIA = (sys.executable, "-m", "connector")
ENDS_S = 60.0


def free_port() -> int:
    """Answer a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    settings: Mapping[str, str], *, before: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Generator[subprocess.Popen[str]]:
    """Start the service, after the words *before*, wait until it is ready, and end it at last. *environment* takes ours' place."""
    env = {**(os.environ if environment is None else environment), **settings}
    command = [*before, *VIGIA, "serve"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("Vigia is ready on http://127.0.0.1:"), process.communicate()
        try:
            yield process
        finally:
            process.kill()


def refused(
    settings: Mapping[str, str],
    *,
    command: Sequence[str] = (*VIGIA, "serve"),
    environment: Mapping[str, str] | None = None,
) -> tuple[int, str]:
    """Start the service, which does not come up: answer its exit status and all that it says to a person."""
    env = {**(os.environ if environment is None else environment), **settings}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=ENDS_S, check=False)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def told(said: str) -> list[str]:
    """Answer the sentences for the person at the terminal: the lines of the log are for somebody else."""
    return [line.removeprefix("vigia: ") for line in said.splitlines() if line.startswith("vigia: ")]


def status_of(port: int, path: str, key: str = "") -> int:
    """Ask, and answer the HTTP status."""
    return answer_of(port, path, key)[0]


def answer_of(port: int, path: str, key: str = "") -> tuple[int, bytes]:
    """Ask, and answer the HTTP status and the body."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"X-API-KEY": key} if key else {})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found
