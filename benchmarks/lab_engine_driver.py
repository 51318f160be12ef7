"""A program that runs real neonize sessions and is told what to do: JSON lines in, JSON lines out.

Started by `lab_engine.py` with the lab's authority in SSL_CERT_FILE: the engine reads the environment a process begins with.
A line in is `{"n", "do", "with"}`; a line out is an answer `{"n", "answer" | "error"}` or an event
`{"session", "event", ...}`. What neonize itself prints goes to standard error.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

WHATSAPP_ROOT_KEY = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
Say = Callable[..., None]


def provide_libmagic() -> None:
    """neonize needs libmagic: the system's, or the one that pylibmagic brings."""
    try:
        import_module("magic")
    except ImportError:
        spec = find_spec("pylibmagic")
        if spec is None or not spec.submodule_search_locations:
            raise
        folder = Path(spec.submodule_search_locations[0])
        os.environ.setdefault("MAGIC", str(folder / "magic.mgc"))
        ctypes.CDLL(str(folder / "libmagic.so.1"))


def trust(root_key: bytes) -> None:
    """Puts the lab's root key where the loaded library has WhatsApp's. Raises RuntimeError unless it stands there once."""
    places: list[int] = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_, name = line.split(maxsplit=5)
        if mode == "rw-p" and "/neonize-" in name:
            start, end = (int(part, 16) for part in span.split("-"))
            if (at := ctypes.string_at(start, end - start).find(WHATSAPP_ROOT_KEY)) >= 0:
                places.append(start + at)
    if len(places) != 1:
        raise RuntimeError(f"the engine's root key was found {len(places)} times")
    ctypes.memmove(places[0], root_key, len(root_key))


def speaker() -> Say:
    """Says lines on what was standard output; from here on the engine prints to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(**words: Any) -> None:
        out.write(json.dumps(words).encode() + b"\n")
        out.flush()

    return say


async def obey(sessions: Any, say: Say, order: dict[str, Any]) -> None:
    """Does what one line says."""
    try:
        answer = await getattr(sessions, order["do"])(**order["with"])
    except Exception as error:  # noqa: BLE001  # the test decides what an error means
        say(n=order["n"], error=f"{type(error).__name__}: {error}")
    else:
        say(n=order["n"], answer=answer)


async def main() -> None:
    """Obeys until standard input ends."""
    say = speaker()
    config = json.loads(sys.stdin.readline())
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(config["threads"]))
    provide_libmagic()
    sessions = import_module("benchmarks.lab_engine_sessions").Sessions(config, say)
    trust(bytes.fromhex(config["root_key"]))
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    say(event="ready")
    running: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(obey(sessions, say, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    os._exit(0)  # a session that was never stopped would keep the process for ever


if __name__ == "__main__":
    asyncio.run(main())
