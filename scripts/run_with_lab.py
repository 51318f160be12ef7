"""Starts a local WhatsApp with two phones, and the service connected to it. Ctrl-C ends the service, then the local WhatsApp.

What it keeps lies in data/lab, apart from real sessions; DATA_DIR chooses another folder.
"""

from __future__ import annotations

import json
import os
import re
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
READY = re.compile(r"Vigia is ready on (\S+); the API key is (?:in )?(.+)\.")
NEXT = """
Local WhatsApp: {control}   (what its phones can do: docs/lab.md)
Phones:         {phones}

Next, in another terminal, see both:

  curl {service}/health/ready
  curl {control}/phones

link {first_name}'s phone to a connection:

  KEY="X-API-KEY: {key}"
  API={service}/api/whatsapp-integration
  curl -H "$KEY" $API/connections --json '{{"connectionId": "loja", "name": "Loja", "ownerId": "eu"}}'
  QR=$(curl -s -H "$KEY" $API/connections/loja/qr | sed 's/.*"code": *"\\([^"]*\\)".*/\\1/')
  curl {control}/phones/{first}/scan --json "{{\\"qr\\": \\"$QR\\"}}"

let {second_name} write to it, see the atendimento that this opens, answer, and see what {second_name}'s phone got:

  curl {control}/phones/{second}/messages --json '{{"to": "{first}", "text": "oi"}}'
  curl -H "$KEY" $API/atendimentos/active
  curl -H "$KEY" $API/messages/send --json '{{"connectionId": "loja", "to": "{second}", "content": "olá", "type": "text"}}'
  curl {control}/phones/{second}/messages

What else it can do: {service}/docs

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
                print(what_next(place["control"], ready), flush=True)
            return service.wait()


def what_next(control: str, ready: str) -> str:
    """Answer what a newcomer may do now, in commands to paste. *ready*: the service's own line, which says where it and its key are."""
    (first, first_name), (second, second_name) = PHONES.items()
    said = READY.fullmatch(ready.strip())
    address, key = said.groups() if said else ("the address above", "")
    return NEXT.format(
        control=control,
        service=address,
        phones=", ".join(f"{number} ({name})" for number, name in PHONES.items()),
        key=f"$(cat {shlex.quote(key)})" if Path(key).is_absolute() else "$API_KEY",
        first=first,
        first_name=first_name,
        second=second,
        second_name=second_name,
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
