"""A hub of its own process: `python hub_program.py DATA PROXY CA ROOT_KEY`. Says its workers' pids when all sessions are connected."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from benchmarks.rig import WAIT_S
from sessions.engine import Lab, Launch
from sessions.fleet import Fleet, Options
from sessions.state import Reason


async def main(data: Path, lab: Lab) -> None:
    """Run until killed."""
    fleet = Fleet(data, Launch(spool=data / "spool", lab=lab), Options(per_worker=4))
    await fleet.start()
    async with asyncio.timeout(WAIT_S):
        while not _ready(fleet):  # noqa: ASYNC110  # a test program: it looks again and again
            await asyncio.sleep(0.05)
    sys.stdout.write(json.dumps([worker.health.pid for worker in fleet.workers() if worker.health]) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def _ready(fleet: Fleet) -> bool:
    connected = all(view.state.reason is Reason.CONNECTED for view in fleet.snapshot())
    return connected and all(worker.health for worker in fleet.workers())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Lab(proxy=sys.argv[2], ca=Path(sys.argv[3]), root_key=sys.argv[4])))
