"""Puts the service together: builds, starts in order, stops in reverse. No logic of its own."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from loguru import logger

from connector import datadir, keyfile, settings
from connector.api.assets import Assets, Pages
from connector.api.atendimentos import Atendimentos
from connector.api.audit import Book
from connector.api.bootstrap import Bootstrap
from connector.api.callers import Callers
from connector.api.connections import BASE, Connections
from connector.api.cors import Cors
from connector.api.dead import DeadLetters
from connector.api.health import Health, Trouble, no_trouble
from connector.api.messages import Mailing, Messages
from connector.api.operator import Operator
from connector.api.pair import PairPage
from connector.api.pairlinks import PairLinks
from connector.api.rates import Policy
from connector.api.server import Edge, Server, Telemetry, make_app
from connector.api.sockets import bind
from connector.api.tenants import Tenants
from connector.assembly import Assembly
from connector.datadir import DataDir, DataDirLock
from connector.failures import ExitCode, StartFailure
from connector.keyfile import ApiKey
from connector.logfile import Style
from connector.logs import FILES_ONLY, Logs
from connector.metrics import CONTENT_TYPE
from connector.settings import Settings
from connector.signals import StopRequests
from connector.spool import SpoolError
from connector.store.errors import StoreError
from sessions.redaction import Redactor

DRAIN_S = 8.0
"""How long an orderly stop may take. What is not drained by then is ended."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Serving:
    """What the HTTP side shows of everything that was started."""

    sessions: Callable[[], int]
    troubles: Callable[[], Sequence[Trouble]] = no_trouble
    resources: Sequence[object] = ()
    pages: Sequence[Pages] = ()
    telemetry: Telemetry | None = None
    initialized: Callable[[], bool] = lambda: True
    ending: Callable[[], object] = lambda: None


Start = Callable[[Settings, DataDir, Redactor, AsyncExitStack], Awaitable[Serving]]
"""Starts everything behind the HTTP side; the stack stops it, last first, also after a start that failed."""


def run(start: Start, say: Say) -> ExitCode:
    """Run the service until it is asked to stop. *say* tells the person at the terminal. Raises `StartFailure`."""
    redact = Redactor()
    logs = Logs(redact)
    logs.open()
    with ExitStack() as stack:
        stack.callback(logs.close)
        found = settings.load()
        data = datadir.prepare(found.data_dir)
        stack.enter_context(DataDirLock(data))
        key = _key(found, data)
        redact.register(key.value)
        _open_files(logs, found.log_dir or data.logs, found)
        for line in settings.warnings(found):
            logger.warning(line)
        try:
            return _to_the_end(Service(found, data, key, start, say, redact))
        except StartFailure:
            raise
        except Exception as error:
            logger.bind(**{FILES_ONLY: True}).exception("This ended the service.")
            raise _failure(error, data) from error


async def start_all(settings: Settings, data: DataDir, redact: Redactor, parts: AsyncExitStack) -> Serving:
    """Start the whole service and answer what it serves."""
    house = await Assembly.build(settings, data, redact, parts)
    if settings.auto_initialize:
        await house.lifecycle.initialize()
    mailing = Mailing(house.outbound, house.connections)
    resources = (
        Connections(house.connections),
        Messages(mailing, house.outbound, house.records),
        Atendimentos(house.records),
        Tenants(house.connections, mailing),
        DeadLetters(house.letters),
        Book(house.audit),
        Bootstrap(house.lifecycle, house.figures, house.test, house.events),
        PairLinks(house.pair_links, settings.public_url),
    )
    telemetry = Telemetry(
        observe=house.metrics.observe_request,
        render=lambda: (house.metrics.text(), CONTENT_TYPE),
        public=ipaddress.ip_address(settings.host).is_loopback
        if _is_ip(settings.host)
        else settings.host == "localhost",
    )
    assets = Assets.read()
    pair = PairPage(assets, house.pair_links, house.pair_watch, house.connections, time.time)
    pages = (assets, Operator(assets), pair)
    return Serving(
        lambda: len(house.fleet.snapshot()),
        house.seen.troubles,
        resources,
        pages,
        telemetry,
        lambda: house.lifecycle.initialized,
        lambda: (house.events.ended.set(), house.lifecycle.break_off()),
    )


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _to_the_end(service: Service) -> ExitCode:
    runner = asyncio.Runner()
    ended = runner.run(service.run(StopRequests()))
    if ended in (ExitCode.DRAIN_TIMED_OUT, ExitCode.INTERRUPTED):
        os._exit(ended)  # closing the loop would wait for the very tasks that did not end; the log is written already
    runner.close()
    return ended


def _failure(error: Exception, data: DataDir) -> StartFailure:
    """Answer what the person at the terminal is told of an error. What nobody foresaw is our fault, and the log's matter."""
    if isinstance(error, StoreError):
        return StartFailure(ExitCode.DATABASE, str(error))
    if isinstance(error, SpoolError):
        why = str(error).rstrip(".")
        return StartFailure(ExitCode.DATA_DIR, f"{why}, in {data.path / 'spool'}: `vigia check` says what to do.")
    if isinstance(error, OSError) and isinstance(error.filename, str) and error.filename.startswith(str(data.path)):
        return StartFailure(
            ExitCode.DATA_DIR,
            f"{error.filename} cannot be used ({error.strerror}): give it to this user, or move it away.",
        )
    where = data.logs / "error.log"
    return StartFailure(
        ExitCode.BUG,
        f"A fault of the service ended it ({type(error).__name__}): report it with the last lines of {where}.",
    )


def _key(found: Settings, data: DataDir) -> ApiKey:
    return ApiKey(found.api_key.get_secret_value()) if found.api_key else keyfile.read_or_make(data.api_key)


def _open_files(logs: Logs, folder: Path, found: Settings) -> None:
    style = Style(found.log_format == "json", found.log_file_mb * 1024 * 1024, found.log_files_kept)
    try:
        logs.open_files(folder, found.log_level, style)
    except OSError as error:
        raise StartFailure(
            ExitCode.DATA_DIR, f"The logs in {folder} cannot be written ({error.strerror}): mend or remove it."
        ) from error


@dataclass(frozen=True, slots=True)
class Service:
    """The service once its settings, its data folder and its logs are there."""

    settings: Settings
    data: DataDir
    key: ApiKey
    start: Start
    say: Say
    redact: Redactor

    async def run(self, stop: StopRequests) -> ExitCode:
        """Start, serve until asked to stop, drain."""
        parts = AsyncExitStack()
        with stop.listening():
            try:
                await _unless(stop.first, self._start(parts))
                await stop.first.wait()
            finally:
                if stop.first.is_set():
                    logger.info("Stopping: requests under way finish, sessions disconnect.")
                ended = await _drain(parts, stop.second)
        if ended is ExitCode.STOPPED:
            logger.info("Stopped.")
        return ended

    async def _start(self, parts: AsyncExitStack) -> None:
        """Take the address first, since that fails quickly; let callers in last, since they expect everything to be there."""
        settings = self.settings
        sockets = bind(settings.host, settings.port)
        for listener in sockets:
            parts.callback(listener.close)
        logger.info(
            "Vigia {} starts: process {}, Python {}.{}.{}, data in {}",
            version("vigia"),
            os.getpid(),
            *sys.version_info[:3],
            self.data.path,
        )
        if settings.lab:
            logger.warning(
                "LAB MODE: every session talks to the local WhatsApp at {}, none to the real one.", settings.lab.proxy
            )
        serving = await self.start(settings, self.data, self.redact, parts)
        health = Health(lab=settings.lab is not None, sessions=serving.sessions, troubles=serving.troubles)
        app = make_app(
            key=self.key.value,
            health_of=health,
            resources=serving.resources,
            pages=serving.pages,
            telemetry=serving.telemetry,
            edge=_edge(settings, serving.initialized),
        )
        server = Server(app, sockets)
        parts.push_async_callback(server.stop)
        parts.callback(serving.ending)  # first of all: streams and restarts do not end soon by themselves
        await server.start()
        self._tell()

    def _tell(self) -> None:
        """Say where the service is and where its key lies: the key itself only to a terminal, and only when it was made just now."""
        url = _url(self.settings.host, self.settings.port)
        where = f"in {self.key.file}" if self.key.file else "the one in API_KEY"
        self.say(f"Vigia is ready on {url}; the API key is {where}.")
        logger.info("Ready on {}", url)
        if self.key.made_now and sys.stdout.isatty():
            self.say(f"This key was made just now, and is shown only this once: {self.key.value}")
        key = f"$(cat {shlex.quote(str(self.key.file))})" if self.key.file else "$API_KEY"
        self.say(f'Next: open {url}/ in a browser, or  curl -H "X-API-KEY: {key}" {url}{BASE}')


def _edge(settings: Settings, initialized: Callable[[], bool]) -> Edge:
    return Edge(
        Cors.of(settings.cors_origin or ""),
        Policy.of(settings.rate_limit),
        Callers.of(settings.trusted_proxies or ""),
        initialized,
    )


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - it is read here, not bound
    return f"http://{name}:{port}"


async def _unless(told: asyncio.Event, work: Coroutine[None, None, None]) -> None:
    """Do *work*, but break it off when *told* is set first."""
    working = asyncio.create_task(work, name="service-start")
    waiting = asyncio.create_task(told.wait(), name="stop-request")
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def _drain(parts: AsyncExitStack, at_once: asyncio.Event) -> ExitCode:
    """Stop what was started, last first, for `DRAIN_S` at most, and no longer once *at_once* is set."""
    draining = asyncio.create_task(parts.aclose(), name="service-drain")
    hurried = asyncio.create_task(at_once.wait(), name="second-stop-request")
    await asyncio.wait({draining, hurried}, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    if draining.done():
        draining.result()
        return ExitCode.STOPPED
    draining.cancel()
    if at_once.is_set():
        logger.warning("Asked to stop again: ending at once.")
        return ExitCode.INTERRUPTED
    logger.error("Not everything stopped within {:.0f} s: ending without waiting longer.", DRAIN_S)
    return ExitCode.DRAIN_TIMED_OUT
