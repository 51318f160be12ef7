"""A worker with something wrong: `python odd_worker.py WRONG CONTROL WAKE`.

`blocked`: on SIGUSR1 its event loop stands still for five seconds. `raising`: its translator raises for every message.
`aborting`: on SIGUSR1 it asks the engine about a session that it does not know, which ends the process with every stack printed.
`poison`: the same whenever the engine says anything of the session that a file named `poison` beside its inbox names.
`disk`: it believes that as many bytes are free as a file named `free` beside its inbox says.
"""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sessions import inbox
from sessions.worker import __main__ as worker
from sessions.worker.journal import Journal

BLOCKED_S = 5.0
CODE_MESSAGE = 17


def _raising(code: int, raw: bytes) -> Any:
    from sessions.worker.from_whatsapp import translate

    if code == CODE_MESSAGE:
        raise RuntimeError("made to fail")
    return translate(code, raw)


def _abort(*_: object) -> None:
    from sessions.worker.library import load

    load().go.GetMe(b"nobody")


def _poisoned(hear: Callable[[Journal, str, int, bytes], None]) -> Callable[[Journal, str, int, bytes], None]:
    def event(journal: Journal, session: str, code: int, raw: bytes) -> None:
        poison = journal._inbox.path.with_name("poison")
        if poison.exists() and poison.read_text() == session:
            _abort()
        hear(journal, session, code, raw)

    return event


def _said_free(inbox: Path) -> int:
    return int((inbox.parent / "free").read_text())


if __name__ == "__main__":
    wrong, *rest = sys.argv[1:]
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(BLOCKED_S))
    if wrong == "aborting":
        signal.signal(signal.SIGUSR1, _abort)
    if wrong == "poison":
        Journal.event = _poisoned(Journal.event)  # type: ignore[method-assign]
    if wrong == "disk":
        inbox.InboxWriter = functools.partial(inbox.InboxWriter, free_bytes=_said_free)  # type: ignore[misc]
    worker.main(rest, translate=_raising if wrong == "raising" else None)
