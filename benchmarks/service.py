"""The whole service as a child process, and what it tells the outside: HTTP in, webhooks out. It may be killed and started again."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import aiohttp
import psutil
from aiohttp import web

from lab.client import LabClient

BASE = "/api/whatsapp-integration"
READY_S = 60.0
CONNECTED_S = 60.0
LOOK_S = 0.05
PAGE = 500
_OWN = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came, problems included."""

    status: int
    headers: Mapping[str, str]
    body: Any
    seconds: float


class Refused(Exception):
    """The service answered with a problem. `code` is its stable word; `message_id` the send that failed, if one did."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.code = str(problem.get("code"))
        self.message_id: str | None = problem.get("messageId")


class Receiver:
    """Takes every webhook and remembers it, in order of arrival. Use as an async context manager."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(self._runner, listener).start()
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        event: Event = await request.json()
        if event["id"] != request.headers["webhook-id"]:
            return web.Response(status=400)
        self.events.append(event)
        return web.Response(status=204)


class Mood(StrEnum):
    """What a receiver does with a request."""

    TAKES = "takes"
    REFUSES = "refuses"  # 503
    HANGS = "hangs"  # no answer while it does


class Moody(Receiver):
    """A receiver that takes what it is sent only while its mood is so."""

    def __init__(self, mood: Mood = Mood.TAKES) -> None:
        super().__init__()
        self.asked = 0
        self._mood = mood
        self._changed = asyncio.Event()

    def feel(self, mood: Mood) -> None:
        """Change the mood; requests that hang are refused then."""
        self._mood = mood
        self._changed.set()
        self._changed = asyncio.Event()

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        match self._mood:
            case Mood.TAKES:
                return await super()._take(request)
            case Mood.REFUSES:
                return web.Response(status=503)
            case Mood.HANGS:
                await self._changed.wait()
                return web.Response(status=503)


class Service:
    """`python -m connector serve`, or another *command*, over the folder *data*, against a lab. The same port and key at every start."""

    def __init__(
        self,
        data: Path,
        lab: LabClient,
        *,
        webhook: str | None = None,
        per_worker: int = 25,
        command: Sequence[str] = (sys.executable, "-m", "connector", "serve"),
        **more: str,
    ) -> None:
        self.data = data
        self._command = command
        self.lab = lab
        self.log = data.with_name(f"{data.name}.log")
        place = lab.place
        self._key = secrets.token_hex(16)
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._settings = {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "DATA_DIR": str(data),
            "API_KEY": self._key,
            "SESSIONS_PER_WORKER": str(per_worker),
            "WHATSAPP_LAB_PROXY": place.proxy,
            "WHATSAPP_LAB_CA": str(place.ca),
            "WHATSAPP_LAB_ROOT_KEY": place.root_key,
            **({"WEBHOOK_URL": webhook, "WEBHOOK_ALLOW_INTERNAL": "true"} if webhook else {}),
            **more,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            self.url, headers={"X-API-KEY": self._key}, timeout=aiohttp.ClientTimeout(total=60)
        )
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        if self._http:
            await self._http.close()

    # -- its life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start it without waiting until it serves."""
        environment = {name: os.environ[name] for name in _OWN if name in os.environ}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self.data.parent,
                env={**environment, **self._settings},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self, within_s: float = READY_S) -> float:
        """Wait until it serves; answers the seconds that took. Raises `TimeoutError` with the end of its log."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self._session.get("/health/live") as answer:
                    if answer.ok:
                        return time.monotonic() - began
            if self._process and self._process.returncode is not None:
                break
            await asyncio.sleep(LOOK_S)
        raise TimeoutError(f"the service does not serve:\n{self.tail()}")

    async def kill(self) -> None:
        """End the hub at once, as a crash would."""
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end and wait for that; what does not end is killed."""
        if self._process and self._process.returncode is None:
            self._process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 20)
        await self.kill()

    def workers(self) -> list[int]:
        """Answer the processes of the engine's workers, the oldest first."""
        return [child.pid for child in self._children() if "sessions.worker" in _command(child)]

    def postgres(self) -> int | None:
        """Answer the embedded PostgreSQL's main process, if it runs."""
        try:
            pid = int((self.data / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
            return pid if "postgres" in _command(psutil.Process(pid)) else None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None

    def tail(self, size: int = 2000) -> str:
        """Answer the end of its log."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def _children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self._process.pid).children() if self._process else []
        except psutil.NoSuchProcess:
            return []

    # -- its API -----------------------------------------------------------------------------------------------------

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            raise RuntimeError("use `async with Service(…)`")
        return self._http

    async def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, **query: Any) -> Any:
        """One request under the API's base; answers the JSON. Raises `Refused`, or `aiohttp.ClientError` while nobody serves."""
        headers = {"Idempotency-Key": key} if key else {}
        params = {name: str(value) for name, value in query.items()}
        async with self._session.request(method, BASE + path, json=body, params=params, headers=headers) as answer:
            said = await answer.json(content_type=None)
            if answer.status >= 400:
                raise Refused(answer.status, said)
            return said

    async def look(self, path: str, **query: Any) -> Answer:
        """Ask for something under the API's base; answers whatever was answered."""
        began = time.monotonic()
        params = {name: str(value) for name, value in query.items()}
        async with self._session.get(BASE + path, params=params) as answer:
            body = await answer.json(content_type=None)
            return Answer(answer.status, answer.headers, body, time.monotonic() - began)

    async def pair(self, connection: str, number: str) -> Any:
        """Make a connection and a phone, link them, wait until connected; answers the connection."""
        await self.lab.phone(number, "Loja")
        return await self.link(connection, number)

    async def link(self, connection: str, number: str) -> Any:
        """Make a connection, link it to a phone that there is, wait until connected; answers the connection."""
        await self.ask(
            "POST",
            "/connections",
            {"connectionId": connection, "name": connection, "ownerId": "dono", "companyId": None},
        )
        code = (await self.ask("GET", f"/connections/{connection}/qr", wait=30))["code"]
        await self.lab.scan(number, code)
        await self.connected(1, connection)
        return await self.ask("GET", f"/connections/{connection}")

    async def connected(self, count: int, connection: str | None = None, *, within_s: float = CONNECTED_S) -> float:
        """Wait until *count* connections (or the one named) are connected, whatever ends meanwhile; answers the seconds it took."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                if await self._connected(connection) >= count:
                    return time.monotonic() - began
            await asyncio.sleep(LOOK_S)
        raise TimeoutError(f"not {count} connected within {within_s:.0f} s:\n{self.tail()}")

    async def _connected(self, connection: str | None) -> int:
        if connection:
            return (await self.ask("GET", f"/connections/{connection}"))["status"] == "connected"
        return (await self.ask("GET", "/connections", status="connected", limit=1))["total"]

    async def send(self, connection: str, to: str, text: str, *, key: str | None = None) -> Any:
        """Send a text; answers what the service says of it."""
        body = {"connectionId": connection, "to": to, "content": text, "type": "text"}
        return await self.ask("POST", "/messages/send", body, key=key)

    async def by_id(self, message_id: str) -> Any:
        """Answer what has become of a send."""
        return await self.ask("GET", f"/messages/by-id/{message_id}")

    async def recorded(self, path: str, **query: Any) -> Any:
        """Ask for what the database holds, again while it is away."""
        async with asyncio.timeout(READY_S):
            while True:
                try:
                    return await self.ask("GET", path, **query)
                except Refused as refused:
                    if refused.code != "record_away":
                        raise
                await asyncio.sleep(LOOK_S)

    async def depth(self, sink: str) -> int:
        """Answer how many rows wait for a sink, as the metrics say."""
        async with self._session.get("/metrics") as answer:
            found = re.search(rf'^vigia_sink_depth{{sink="{sink}"}} (\S+)$', await answer.text(), re.MULTILINE)
        return int(float(found[1])) if found else 0

    async def kick(self, sink: str) -> None:
        """Have a sink try at once."""
        async with self._session.post(f"/api/whatsapp-bootstrap/sinks/{sink}/kick") as answer:
            answer.raise_for_status()

    async def rows(self, connection: str) -> list[dict[str, Any]]:
        """Answer every message of a connection's open atendimentos, each oldest first."""
        active = (await self.recorded("/atendimentos/active", connectionId=connection, limit=PAGE))["items"]
        found: list[dict[str, Any]] = []
        for atendimento in active:
            total, begin = 1, len(found)
            while len(found) - begin < total:
                offset = len(found) - begin
                page = await self.recorded(f"/messages/{atendimento['id']}", limit=PAGE, offset=offset)
                total = page["total"] if page["items"] else 0
                found += page["items"]
        return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
