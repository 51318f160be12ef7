"""WhatsApp away for a whole fleet: how many connections were tried meanwhile, and how soon everyone is back afterwards."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.progress import Progress
from benchmarks.rig import Numbers, Rig
from lab.client import running_lab
from sessions.engine import Lab, Launch
from sessions.fleet import Options
from sessions.model import SessionId
from sessions.state import Reason

BACK_S = 60.0
"""How soon all are back after the end."""
TRIES_EACH = 4
"""Connections a session may have tried while WhatsApp was away: the engine's own two, before it rests, and what is under way."""
LOOKS_PER_S = 1.0
"""Connections a second that look for all of them whether WhatsApp is back."""
BURST_PER_S = 60
"""New connections in any second after the end: turns, the engines' own, and what a busy machine bunches together."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How many sessions, and how long WhatsApp is away."""

    sessions: int = 200
    away_s: float = 300.0
    per_worker: int = 25
    folder: Path | None = None


@dataclass(slots=True)
class Road:
    """The only way from the engines to the lab: counts who comes, and can be closed. `tries`: monotonic seconds of each connection."""

    host: str
    port: int
    open: bool = True
    tries: list[float] = field(default_factory=list[float])
    _writers: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    def close(self) -> None:
        """Nobody comes through any more, and who is on the way is cut off."""
        self.open = False
        for writer in list(self._writers):
            writer.transport.abort()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection to the lab, or turn it away."""
        self.tries.append(time.monotonic())
        if not self.open:
            writer.transport.abort()
            return
        with suppress(OSError):
            onward, back = await asyncio.open_connection(self.host, self.port)
            self._writers |= {writer, back}
            try:
                await asyncio.gather(_carry(reader, back), _carry(onward, writer))
            finally:
                self._writers -= {writer, back}


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def road_to(proxy: str) -> AsyncGenerator[tuple[Road, str]]:
    """Build a road to the lab's *proxy*; answers it and its own address."""
    place = urlsplit(proxy)
    road = Road(place.hostname or "", place.port or 0)
    server = await asyncio.start_server(road.meet, "127.0.0.1", 0)
    try:
        yield road, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        road.close()
        server.close()


@dataclass(frozen=True, slots=True)
class Course:
    """What came of it: connections tried while away, after how many seconds all were back, the most new ones in a second then."""

    sessions: int
    away_s: float
    tries: int
    back_s: float
    busiest: int

    @property
    def line(self) -> str:
        """All in a sentence."""
        return (
            f"{self.sessions} sessions, WhatsApp away for {self.away_s:.0f} s: {self.tries} connections tried meanwhile, "
            f"all back {self.back_s:.1f} s after its end, {self.busiest} new connections in the busiest second"
        )

    @property
    def broken(self) -> list[str]:
        """The bounds that were not kept, in sentences."""
        most = TRIES_EACH * self.sessions + LOOKS_PER_S * self.away_s
        found = {
            f"more than {most:.0f} connections tried while away": self.tries > most,
            f"not all back within {BACK_S:.0f} s": self.back_s > BACK_S,
            f"more than {BURST_PER_S} new connections in a second": self.busiest > BURST_PER_S,
        }
        return [sentence for sentence, is_so in found.items() if is_so]


async def run(wish: Wish, say: Progress) -> Course:
    """Pair, take WhatsApp away, give it back."""
    with tempfile.TemporaryDirectory(prefix="vigia-outage-", dir=wish.folder) as folder:
        async with running_lab() as lab, road_to(lab.place.proxy) as (road, address):
            data = Path(folder)
            own = Lab(proxy=address, ca=lab.place.ca, root_key=lab.place.root_key)
            launch = Launch(spool=data / "spool", lab=own)
            async with Rig(data, lab, options=Options(per_worker=wish.per_worker), launch=launch) as rig:
                say(f"pairing {wish.sessions} sessions")
                sessions = await pair(rig, wish.sessions)
                say(f"WhatsApp is away for {wish.away_s:.0f} s")
                return await course(rig, road, sessions, wish.away_s)


async def pair(rig: Rig, count: int) -> list[SessionId]:
    """Pair *count* sessions, a few at a time."""
    number = Numbers()
    few = asyncio.Semaphore(3)

    async def one() -> SessionId:
        async with few:
            return await rig.pair(number())

    return await asyncio.gather(*(one() for _ in range(count)))


async def course(rig: Rig, road: Road, sessions: list[SessionId], away_s: float) -> Course:
    """Close the road for *away_s*, open it again, and wait until every session is connected."""
    road.tries.clear()
    began = time.monotonic()
    road.close()
    await rig.until(lambda: _none(rig, sessions, Reason.CONNECTED))
    await asyncio.sleep(max(0.0, away_s - (time.monotonic() - began)))
    tries = len(road.tries)
    road.tries.clear()
    road.open = True
    back_s = await rig.connected(*sessions, within_s=2 * BACK_S)
    return Course(len(sessions), away_s, tries, back_s, busiest(road.tries))


def _none(rig: Rig, sessions: list[SessionId], reason: Reason) -> bool:
    return all(rig.fleet.view(one).state.reason is not reason for one in sessions)


def busiest(times: list[float]) -> int:
    """Answer how many of *times* (in order) lie within the busiest second."""
    first, most = 0, 0
    for last, at in enumerate(times):
        while at - times[first] > 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
