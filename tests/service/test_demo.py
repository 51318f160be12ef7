"""The example that the docs name: sessions without any HTTP service."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from benchmarks.rig import Numbers
from lab.client import LabClient


async def test_the_demo_pairs_and_echoes(tmp_path: Path, lab: LabClient, number: Numbers) -> None:
    """It prints a code; scanned with a lab phone, it answers what is written to it, and again after a restart without a code."""
    shop, customer = number(), number()
    await lab.phone(shop, "Loja")
    await lab.phone(customer, "Ana")
    demo = await _start(tmp_path, lab)
    try:
        code = (await _line(demo, "scan this code: ")).strip()
        await lab.scan(shop, code)
        await _line(demo, "connected")
        await lab.write(customer, shop, "eco")
        assert [one["text"] for one in await lab.read(customer, count=1, wait=20)] == ["eco"]
        await _end(demo)
        demo = await _start(tmp_path, lab)
        assert "scan" not in await _line(demo, "connected")
        await lab.write(customer, shop, "de novo")
        assert [one["text"] for one in await lab.read(customer, count=2, wait=20)] == ["eco", "de novo"]
    finally:
        await _end(demo)


async def _start(data: Path, lab: LabClient) -> asyncio.subprocess.Process:
    place = lab.place
    known = {"PROXY": place.proxy, "CA": str(place.ca), "ROOT_KEY": place.root_key}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sessions.demo", "--data", str(data / "demo")),
        env={**os.environ, **{f"WHATSAPP_LAB_{name}": value for name, value in known.items()}},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def _line(demo: asyncio.subprocess.Process, start: str) -> str:
    """Read until a line begins with *start*; answers what follows it."""
    assert demo.stdout
    async with asyncio.timeout(60):
        while line := (await demo.stdout.readline()).decode():
            if line.startswith(start):
                return line.removeprefix(start)
    raise AssertionError("the demo ended")


async def _end(demo: asyncio.subprocess.Process) -> None:
    if demo.returncode is None:
        demo.send_signal(2)
    async with asyncio.timeout(20):
        await demo.wait()
