"""`python -m lab`: runs a local WhatsApp until SIGTERM or Ctrl-C. Prints one JSON line when it is ready."""

import argparse
import asyncio
import fcntl
import logging
import os
import signal
import sqlite3
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import msgspec

from lab.dictionary import DictionaryError
from lab.lab import HOST, Ports, running

_MAX_PORT = 65535


def main() -> int:
    """Returns 0 after a signal, 1 when the lab cannot run."""
    options = _parser().parse_args()
    os.umask(0o077)
    logging.basicConfig(
        level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    with ExitStack() as stack:
        ports = Ports(control=options.control, tls=options.port, proxy=options.proxy)
        try:
            data = _data_folder(options.data, stack)
            asyncio.run(_run(data, _cache(data), ports, keep=options.data is not None))
        except (OSError, DictionaryError, sqlite3.DatabaseError, ValueError) as error:
            sys.stderr.write(f"lab: cannot run: {error}\n")
            return 1
    return 0


async def _run(data: Path, cache: Path, ports: Ports, *, keep: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running(data=data, cache=cache, ports=ports, keep=keep) as ready:
        sys.stdout.write(msgspec.json.encode(asdict(ready)).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


def _data_folder(given: Path | None, stack: ExitStack) -> Path:
    if given is None:
        return Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vigia-lab-")))
    folder = given.absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = stack.enter_context((folder / "lab.lock").open("a"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(f"another lab is using {folder}") from error
    return folder


def _cache(data: Path) -> Path:
    """Where the engine's word tables are kept: they cost a second to read, and are the same for every lab."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vigia-lab"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or one that may not be written to
        return data
    return folder if os.access(folder, os.W_OK) else data


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description="A local WhatsApp for tests and demonstrations.")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep accounts and queues here (else: nothing is kept)"
    )
    parser.add_argument(
        "--control", type=_control, default=0, metavar="HOST:PORT", help="where the control API listens"
    )
    parser.add_argument("--port", type=_port, default=0, metavar="P", help="port of the WhatsApp server itself (TLS)")
    parser.add_argument("--proxy", type=_port, default=0, metavar="P", help="port of the proxy that engines are given")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    return parser


def _control(text: str) -> int:
    host, colon, port = text.rpartition(":")
    if colon and host not in (HOST, "localhost"):
        raise argparse.ArgumentTypeError(f"the lab listens on {HOST} only")
    return _port(port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_PORT):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_MAX_PORT}")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
