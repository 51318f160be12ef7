"""`python -m sessions.worker CONTROL WAKE`: two inherited socket descriptors. Started by the hub only."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable

from sessions.model import Words
from sessions.worker.budgets import raise_descriptor_limit
from sessions.worker.library import load


def main(arguments: list[str], translate: Callable[[int, bytes], Words | None] | None = None) -> None:
    """Load the engine, then serve the hub at the other end of the control socket. *translate* takes the usual translation's place."""
    control, wake = (int(word) for word in arguments)
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the hub's to hear: it drains us
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    library = load()
    raise_descriptor_limit()

    from sessions.worker import from_whatsapp  # noqa: PLC0415  # these import neonize, which `load` has to prepare
    from sessions.worker.link import Link  # noqa: PLC0415
    from sessions.worker.program import Program  # noqa: PLC0415

    async def serve() -> None:
        os.set_blocking(wake, False)
        await Program(await Link.on(control), library, wake, translate or from_whatsapp.translate).run()

    asyncio.run(serve())


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BaseException:  # noqa: BLE001  # said, and then out: a clean exit would wait for the engine's threads
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
