"""A worker with something wrong: `python odd_worker.py WRONG CONTROL WAKE`.

`blocked`: on SIGUSR1 its event loop stands still for five seconds. `raising`: its translator raises for every message.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import Any

from sessions.worker import __main__ as worker

BLOCKED_S = 5.0
CODE_MESSAGE = 17


def _raising(code: int, raw: bytes) -> Any:
    from sessions.worker.from_whatsapp import translate

    if code == CODE_MESSAGE:
        raise RuntimeError("made to fail")
    return translate(code, raw)


if __name__ == "__main__":
    wrong, *rest = sys.argv[1:]
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(BLOCKED_S))
    worker.main(rest, translate=_raising if wrong == "raising" else None)
