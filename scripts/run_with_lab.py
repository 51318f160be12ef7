"""Starts a local WhatsApp with two phones, the service connected to it, and a page that plays the whole job by clicks.

Ctrl-C ends them, last first. What is kept lies in data/lab, apart from real accounts; DATA_DIR chooses another folder.
The service runs in that folder: a `.env.supabase` of the project is for real accounts, and a demonstration must not write to its
database nor call its webhook. What is set in the environment holds.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from lab_page import serving
from lab_story import CONNECTION, CUSTOMER, SHOP, Places, Story

from connector.settings import ENV_FILE

ROOT = Path(__file__).resolve().parents[1]
DRAIN_S = 15
PR_SET_PDEATHSIG = 1
READY = re.compile(r"Vigia is ready on (\S+); the API key is (?:in )?(.+)\.")
BASE = "/api/whatsapp-integration"
NAMES = """\
# Sets what the commands of the README use: KEY, the header with the API key; API, the service; CONTROL, the local WhatsApp.
KEY={key}
API={api}
CONTROL={control}
"""
LEFT_ALONE = "{file} is left alone: it is for real accounts. What is set in the environment holds."
NEXT = """
The whole job by clicks:  {page}
The operator's page:      {service}/   (it asks for the key)
The API to try out:       {service}/docs
Local WhatsApp:           {control}   ({phones})

By hand, in another terminal:

  . {names}
  curl -H "$KEY" $API/connections/{connection}

README.md goes on from there. Nothing of this is real; it is kept in {folder}. Ctrl-C ends everything.
"""


def main() -> int:
    """Run all of it until Ctrl-C, or until the service ends by itself; answer its exit status."""
    os.umask(0o077)
    folder = Path(os.environ.get("DATA_DIR") or "data/lab").absolute()
    with child("lab", "--data", str(folder / "whatsapp")) as lab:
        place = json.loads(first_line(lab) or sys.exit("The local WhatsApp did not start: the lines above say why."))
        for phone in (SHOP, CUSTOMER):
            make_phone(place["control"], phone.number, phone.name)
        wanted = {f"WHATSAPP_LAB_{name}": place[name.lower()] for name in ("PROXY", "CA", "ROOT_KEY")}
        wanted["LOG_LEVEL"] = os.environ.get(
            "LOG_LEVEL", "WARNING"
        )  # the page asks every second: a line each tells nobody anything
        wanted["AUTO_INITIALIZE"] = "true"  # a demonstration that waits to be started would show nothing
        if Path(ENV_FILE).exists():
            print(LEFT_ALONE.format(file=ENV_FILE), flush=True)
        with child("connector", "serve", folder=folder, DATA_DIR=str(folder / "service"), **wanted) as service:
            ready = first_line(service)
            if said := READY.fullmatch(ready.strip()):
                print(ready, end="", flush=True)
                asyncio.run(play(service, Places(said[1], key(said[2]), place["control"]), said[2], folder))
                return service.poll() or 0
            return service.wait()  # it has said why itself


async def play(service: subprocess.Popen[str], places: Places, key_file: str, folder: Path) -> None:
    """Make the connection, serve the page, and say what to do next, until Ctrl-C or the end of *service*."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    watched = os.pidfd_open(service.pid)
    loop.add_reader(watched, over.set)
    try:
        async with Story.of(places) as story, serving(story) as page:
            await story.begin()
            names = write_names(folder, places, key_file)
            print(what_next(page, places, names, folder), flush=True)
            show(page)
            await over.wait()
    finally:
        loop.remove_reader(watched)
        os.close(watched)


def key(said: str) -> str:
    """Answer the API key, which *said* names: the file it lies in, or else the environment."""
    if Path(said).is_absolute():
        return Path(said).read_text("utf-8").strip()
    return os.environ.get("API_KEY", "")


def write_names(folder: Path, places: Places, key_file: str) -> Path:
    """Write what a shell reads to have the commands' names. It holds no key, only where the key is."""
    value = f"X-API-KEY: $(cat {shlex.quote(key_file)})" if Path(key_file).is_absolute() else "X-API-KEY: $API_KEY"
    path = folder / "names"
    path.write_text(NAMES.format(key=f'"{value}"', api=places.service + BASE, control=places.control), "utf-8")
    return path


def what_next(page: str, places: Places, names: Path, folder: Path) -> str:
    """Answer what a newcomer may do now."""
    return NEXT.format(
        page=page,
        service=places.service,
        control=places.control,
        phones=", ".join(f"{phone.name}: {phone.number}" for phone in (SHOP, CUSTOMER)),
        names=shlex.quote(str(names)),
        connection=CONNECTION,
        folder=folder,
    )


def show(page: str) -> None:
    """Open *page* for a person who sits in front of a desktop; nobody else's browser is touched."""
    opener = opener_of(os.environ, shutil.which) if sys.stdin.isatty() else None
    if opener:
        quiet = subprocess.DEVNULL
        subprocess.Popen([opener, page], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def opener_of(environment: Mapping[str, str], which: Callable[[str], str | None]) -> str | None:
    """Answer the desktop's own opener, or None where there is no desktop."""
    return which("xdg-open") if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY") else None


@contextmanager
def child(module: str, *arguments: str, folder: Path | None = None, **more: str) -> Generator[subprocess.Popen[str]]:
    """Run a module of this project in *folder* as a child that Ctrl-C does not reach: we end our children ourselves, last first."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
            **more,
        },
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=ends_with(os.getpid()),
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


def ends_with(parent: int) -> Callable[[], None]:
    """Answer what a new child does to be asked to stop when *parent* ends, however it ends: `kill -9` leaves nothing behind."""
    control = ctypes.CDLL(None).prctl

    def tie() -> None:
        control(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has ended already
            os._exit(0)

    return tie


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
        sys.exit(0)  # as asked: all have ended on the way here
