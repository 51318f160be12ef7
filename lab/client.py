"""Drives a lab from a program: starts one as a child process, and speaks its control API. For tests, benchmarks and examples."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiohttp

READY_S = 60.0
STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a running lab is, as its ready line says. `root_key` is 64 hex digits."""

    control: str
    proxy: str
    ca: Path
    root_key: str
    pid: int


class LabRefused(Exception):
    """The control API answered with a problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status


@contextmanager
def lab_process(*arguments: str, log: Path | None = None) -> Generator[Place]:
    """Run `python -m lab` with *arguments*; answers where it is once it is ready, ends it afterwards."""
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", *arguments], stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        try:
            yield _place(process)
        finally:
            _end(process)


class LabClient:
    """The control API, a method a request. Numbers are digits only. Use as an async context manager."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(self.place.control, timeout=aiohttp.ClientTimeout(total=120))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http:
            await self._http.close()

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """One request; answers the JSON. Raises `LabRefused`."""
        if self._http is None:
            raise RuntimeError("use `async with LabClient(place)`")
        params = {name: str(value) for name, value in query.items() if value is not None}
        async with self._http.request(method, path, json=body, params=params) as response:
            text = await response.text()
            if response.status >= 400:
                raise LabRefused(response.status, text[:500])
            return json.loads(text) if text else None

    async def phone(self, number: str, name: str = "Ana", **more: Any) -> None:
        """Make a phone."""
        await self.ask("POST", "/phones", {"number": number, "name": name, **more})

    async def scan(self, number: str, qr: str) -> Any:
        """Scan a QR code with a phone."""
        return await self.ask("POST", f"/phones/{number}/scan", {"qr": qr})

    async def link(self, number: str, code: str) -> Any:
        """Type a pairing code on a phone."""
        return await self.ask("POST", f"/phones/{number}/link", {"code": code})

    async def write(self, number: str, to: str, text: str, **more: Any) -> list[str]:
        """Let a phone write; answers the message ids. `count`, `from_own_phone` as in the control API."""
        answer = await self.ask("POST", f"/phones/{number}/messages", {"to": to, "text": text, **more})
        return answer["ids"]

    async def read(self, number: str, *, count: int = 0, wait: float = 0, since: Any = None) -> list[dict[str, Any]]:
        """Answer what a phone got, in arrival order; with *wait*, as soon as there are *count*."""
        query = {"since": since, "wait": wait or None, "count": count or None}
        return (await self.ask("GET", f"/phones/{number}/messages", **query))["items"]

    async def deliveries(self, to: str, **query: Any) -> Any:
        """Answer the oracle's list for a number or device."""
        return await self.ask("GET", "/deliveries", to=to, **query)

    async def fault(self, device: str, kind: str, **more: Any) -> Any:
        """Make something go wrong for one device."""
        return await self.ask("POST", f"/devices/{device}/faults", {"kind": kind, **more})

    async def faults(self, kind: str, **more: Any) -> Any:
        """Make something go wrong for everybody."""
        return await self.ask("POST", "/faults", {"kind": kind, **more})

    async def stats(self) -> Any:
        """Answer the lab's figures."""
        return await self.ask("GET", "/stats")


@asynccontextmanager
async def running_lab(*arguments: str) -> AsyncGenerator[LabClient]:
    """Run a lab and answer its client."""
    with lab_process(*arguments) as place:
        async with LabClient(place) as client:
            yield client


def _place(process: subprocess.Popen[bytes]) -> Place:
    """Read the one line that says the lab is ready."""
    if process.stdout is None:
        raise RuntimeError("the lab has no standard output")
    line = _first_line(process)
    if not line:
        raise RuntimeError(f"the lab ended before it was ready (status {process.poll()})")
    said = json.loads(line)
    return Place(said["control"], said["proxy"], Path(said["ca"]), said["root_key"], process.pid)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    lines: list[bytes] = []
    reader = threading.Thread(
        target=lambda: lines.append(process.stdout.readline() if process.stdout else b""), daemon=True
    )
    reader.start()
    reader.join(READY_S)
    return lines[0] if lines else b""


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
