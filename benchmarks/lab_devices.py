"""Many real sessions against one lab: how long they take to pair, what one phone pushes, what a lost connection costs.

`python -m benchmarks.lab_devices [--devices 200] [--messages 5000] [--settle 60] [--folder DIR] [--keep]`. The engine's databases lie in
--folder (best on tmpfs: the engine is measured by its disk otherwise); --keep gives the lab a data folder too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.lab_engine import Engine, running_engine
from lab.client import LabClient, running_lab

FIRST = 5511910000000
CONTACT = "5511999990000"
UNTOLD = ("Message", "Receipt")  # the lab knows what was acknowledged: telling of each would measure this program
_LONG_S = 300.0


class Watch:
    """Wall and lab CPU seconds of one step."""

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")

    @asynccontextmanager
    async def step(self, name: str, count: int) -> AsyncGenerator[None]:
        """Prints what a step took."""
        wall, cpu = time.monotonic(), self._cpu_s()
        yield
        wall, cpu = time.monotonic() - wall, self._cpu_s() - cpu
        print(f"{name:34} {wall:7.2f} s  {count / wall:8.0f}/s  lab CPU {cpu * 1000 / count:6.3f} ms each", flush=True)

    def memory_mb(self) -> float:
        status = self._stat.with_name("status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def _cpu_s(self) -> float:
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _pair_one(engine: Engine, lab: LabClient, number: str) -> None:
    await engine.ask("connect", session=number)
    qr = await engine.event(number, "qr", timeout=_LONG_S)
    await lab.scan(number, qr["text"])


async def _connected(lab: LabClient, count: int) -> None:
    answer = await lab.ask("GET", "/devices", connected=count, wait=60)
    if answer["connected"] < count:
        raise SystemExit(f"only {answer['connected']} of {count} are connected")


async def _run(lab: LabClient, engine: Engine, devices: int, messages: int, settle_s: float) -> None:
    watch = Watch(lab.place.pid)
    numbers = [str(FIRST + n) for n in range(devices)]
    await lab.phone(CONTACT, "Bia")
    for number in numbers:
        await lab.phone(number, "Ana")
    async with watch.step(f"pair {devices} sessions", devices):
        await asyncio.gather(*(_pair_one(engine, lab, number) for number in numbers))
        await _connected(lab, devices)
    print(f"{'lab memory':34} {watch.memory_mb():7.0f} MB", flush=True)
    async with watch.step(f"one phone writes {messages} texts", messages):
        await lab.write(CONTACT, numbers[0], "m", count=messages)
        await lab.deliveries(numbers[0], wait=60, handed=messages, since=messages)
    async with watch.step("... the engine acknowledges the rest", messages):
        await lab.deliveries(numbers[0], wait=60, acked=messages, since=messages)
    async with watch.step("one phone, a text to each", devices):
        await asyncio.gather(*(lab.write(CONTACT, number, "oi") for number in numbers))
        await asyncio.gather(*(lab.deliveries(f"{number}:1@s.whatsapp.net", wait=60, acked=1) for number in numbers))
    async with watch.step("every session answers the phone", devices):
        await asyncio.gather(*(engine.ask("send", session=number, to=CONTACT, text="oi") for number in numbers))
    async with watch.step("drop all, all back", devices):
        mark = engine.now
        await asyncio.gather(*(lab.fault(f"{number}:1@s.whatsapp.net", "drop") for number in numbers))
        await asyncio.gather(*(engine.event(number, "Connected", since=mark, timeout=60) for number in numbers))
    print(f"stay connected for {settle_s} s ...", flush=True)
    logins = await _logins(lab)
    await asyncio.sleep(settle_s)
    stats = await lab.stats()
    print(
        f"connected {stats['connected']}, new logins {await _logins(lab) - logins}, fights {stats['fights']}, {stats['messages']}"
    )


async def _logins(lab: LabClient) -> int:
    return sum((await lab.stats())["logins"].values())


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--settle", type=float, default=60.0, help="seconds to watch all stay connected")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        data = ["--data", f"{folder}/lab"] if options.keep else []
        async with (
            running_lab(*data) as lab,
            running_engine(lab.place, Path(folder), threads=3 * options.devices, untold=UNTOLD) as engine,
        ):
            await _run(lab, engine, options.devices, options.messages, options.settle)


if __name__ == "__main__":
    asyncio.run(main())
