"""What is measured: the whole service in processes of its own, or bare neonize in one."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import psutil

from benchmarks.accounts import AT_ONCE, Accounts
from benchmarks.lab_engine import ROOT, Engine, running_engine
from sessions.errors import FixUs

CONNECTED_S = 180.0
ORDER_S = 300.0
STOP_S = 30.0
UNTOLD = ("Message", "Receipt")  # the lab knows what was acknowledged: telling of each would be measured too
CALL_THREADS = 32  # beside one for each session; a worker of ours has as many
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")


class Subject(Protocol):
    """A running program that holds every account."""

    pid: int

    async def connected(self) -> None:
        """Wait until every account is connected."""
        ...

    async def send(self, texts: int) -> None:
        """Have each account send *texts* to its customer, and wait until WhatsApp took them."""
        ...

    async def heard(self, texts: int) -> None:
        """Wait until *texts* that came in are where the program puts them."""
        ...


class Service:
    """`vigia serve` with the benchmark's door."""

    def __init__(self, process: Process, accounts: Accounts) -> None:
        self.pid = process.pid
        self._process = process
        self._accounts = accounts

    async def connected(self) -> None:
        """Wait until the service says that every session is connected."""
        if (await self._line(CONNECTED_S)).get("connected") != len(self._accounts.all):
            raise FixUs("the service holds other sessions than were paired")

    async def send(self, texts: int) -> None:
        """Send through the fleet: one text after another in each session, all sessions at once."""
        to = {account.session: f"{account.customer}@s.whatsapp.net" for account in self._accounts.all}
        sent = (await self._order(do="send", texts=texts, to=to))["sent"]
        if sent != texts * len(to):
            raise FixUs(f"only {sent} of {texts * len(to)} texts were sent")

    async def heard(self, texts: int) -> None:
        """Wait until the hub has read them from the workers' inboxes."""
        await self._order(do="hear", texts=texts)

    async def stop(self) -> None:
        """End it in good order."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _order(self, **words: Any) -> dict[str, Any]:
        if self._process.stdin:
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
        return await self._line(ORDER_S)

    async def _line(self, within_s: float) -> dict[str, Any]:
        line = await asyncio.wait_for(self._process.stdout.readline(), within_s) if self._process.stdout else b""
        if not line:
            raise FixUs("the service ended; service.log in its folder says why")
        return json.loads(line)


class Bare:
    """neonize's own client, every session in one process."""

    def __init__(self, engine: Engine, accounts: Accounts) -> None:
        self.pid = next(
            one.pid for one in psutil.Process().children() if "benchmarks.lab_engine_driver" in one.cmdline()
        )
        self._engine = engine
        self._accounts = accounts

    async def connected(self) -> None:
        """Connect all, and wait until the lab says that they are there."""
        for account in self._accounts.all:
            await self._engine.ask("connect", session=account.session)
        until = time.monotonic() + CONNECTED_S
        count = len(self._accounts.all)
        while (await self._accounts.lab.ask("GET", "/devices", connected=count, wait=60))["connected"] < count:
            if time.monotonic() > until:
                raise TimeoutError("bare neonize did not connect every session")

    async def send(self, texts: int) -> None:
        """Send as many texts at once as there are threads."""
        await asyncio.gather(
            *(
                self._engine.ask(
                    "send_many", session=one.session, to=one.customer, text="texto", count=texts, timeout=ORDER_S
                )
                for one in self._accounts.all
            )
        )

    async def heard(self, texts: int) -> None:
        """Nothing is kept: acknowledged is all there is."""


@asynccontextmanager
async def service(accounts: Accounts, per_worker: int) -> AsyncGenerator[Service]:
    """Run the service on the accounts' folder."""
    with (accounts.data / "service.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.service_hub"),
            cwd=accounts.data,  # where no .env.supabase of somebody's lies
            env=_environment(accounts, per_worker),
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours to hear: we end it in good order
        )
    running = Service(process, accounts)
    try:
        yield running
    finally:
        await running.stop()


@asynccontextmanager
async def bare(accounts: Accounts) -> AsyncGenerator[Bare]:
    """Run bare neonize on the same databases. The service must not run: two logins of a device end one another."""
    folder = accounts.data / "sessions"
    threads = len(accounts.all) + CALL_THREADS
    async with running_engine(accounts.lab.place, folder, threads=threads, untold=UNTOLD) as engine:
        yield Bare(engine, accounts)


async def bare_pairing(accounts: Accounts, count: int) -> float:
    """Pair *count* new accounts with bare neonize, as many at once as the service does; answers the median seconds."""
    folder = accounts.data / "bare"
    folder.mkdir(exist_ok=True)
    numbers = [await accounts.phone("Loja") for _ in range(count)]
    turns = asyncio.Semaphore(AT_ONCE)
    async with running_engine(accounts.lab.place, folder, untold=UNTOLD) as engine:

        async def pair(number: str) -> float:
            async with turns:
                began = time.monotonic()
                await engine.pair(accounts.lab, number, number)
                return time.monotonic() - began

        return statistics.median(await asyncio.gather(*map(pair, numbers)))


def _environment(accounts: Accounts, per_worker: int) -> dict[str, str]:
    place = accounts.lab.place
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | {
        "PYTHONPATH": str(ROOT),
        "DATA_DIR": str(accounts.data),
        "PORT": str(_free_port()),
        "SESSIONS_PER_WORKER": str(per_worker),
        "WHATSAPP_LAB_PROXY": place.proxy,
        "WHATSAPP_LAB_CA": str(place.ca),
        "WHATSAPP_LAB_ROOT_KEY": place.root_key,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
