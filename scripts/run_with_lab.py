"""Starts a local WhatsApp with two phones, and the service connected to it. Ctrl-C ends the service, then the local WhatsApp.

What it keeps lies in data/lab, apart from real sessions; DATA_DIR chooses another folder.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

PHONES = {"5511900000001": "Ana", "5511900000002": "Bruno"}
DRAIN_S = 15
NEXT = """
Local WhatsApp: {control}   (what its phones can do: docs/lab.md)
Phones:         {phones}

Next, in another terminal, see both:

  curl {service}/health/ready
  curl {control}/phones

or pair an account that answers every text with the same text:

  {settings} {python} -m sessions.demo --data data/lab/demo
  curl {control}/phones/{first}/scan --json '{{"qr": "THE CODE IT PRINTS"}}'
  curl {control}/phones/{second}/messages --json '{{"to": "{first}", "text": "oi"}}'
  curl {control}/phones/{second}/messages

Ctrl-C ends both.
"""


def main() -> int:
    """Run both until Ctrl-C, or until the service ends by itself; answer its exit status."""
    os.umask(0o077)
    folder = Path(os.environ.get("DATA_DIR") or "data/lab").absolute()
    with child("lab", "--data", str(folder / "whatsapp")) as lab:
        place = json.loads(first_line(lab) or sys.exit("The local WhatsApp did not start: the lines above say why."))
        for number, name in PHONES.items():
            make_phone(place["control"], number, name)
        settings = {f"WHATSAPP_LAB_{name}": place[name.lower()] for name in ("PROXY", "CA", "ROOT_KEY")}
        with child("connector", "serve", DATA_DIR=str(folder / "service"), **settings) as service:
            if ready := first_line(service):
                print(ready, end="")
                print(what_next(place["control"], ready.split()[4].rstrip(";"), settings), flush=True)
            return service.wait()


def what_next(control: str, service: str, settings: dict[str, str]) -> str:
    """Answer what a newcomer may do now, in commands to paste."""
    first, second = PHONES
    return NEXT.format(
        control=control,
        service=service,
        phones=", ".join(f"{number} ({name})" for number, name in PHONES.items()),
        settings=shlex.join(f"{name}={value}" for name, value in settings.items()),
        python=shlex.quote(os.path.relpath(sys.executable)),
        first=first,
        second=second,
    )


@contextmanager
def child(module: str, *arguments: str, **settings: str) -> Generator[subprocess.Popen[str]]:
    """Run a module of this project as a child that Ctrl-C does not reach: we end our children ourselves, last first."""
    command = [sys.executable, "-m", module, *arguments]
    process = subprocess.Popen(
        command, env={**os.environ, **settings}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(DRAIN_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C does not wait
            process.kill()
            process.wait()


def first_line(process: subprocess.Popen[str]) -> str:
    """Answer the first line that *process* prints: it is ready then. Empty when it ended instead."""
    return process.stdout.readline() if process.stdout else ""


def make_phone(control: str, number: str, name: str) -> None:
    """Make a phone in the local WhatsApp, unless it is there from the last time."""
    connection = HTTPConnection(urlsplit(control).netloc, timeout=10)
    body = json.dumps({"number": number, "name": name})
    connection.request("POST", "/phones", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status not in (HTTPStatus.CREATED, HTTPStatus.CONFLICT):
        sys.exit(f"The local WhatsApp refused to make a phone: {answer.read().decode()}")
    connection.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(0)  # as asked: both have ended on the way here
