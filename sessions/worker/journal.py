"""Disk first: what the engine hands over becomes one row of the inbox before anything else happens to it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import TypeGuard

from sessions.errors import DiskFull, SessionsError
from sessions.inbox import InboxWriter, Row
from sessions.model import RAW, Life, Message, Outcome, Receipt, Words, encode, kind_of

OUR_OWN = -1
"""The event code of rows that the engine did not cause."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0

log = logging.getLogger(__name__)

Translate = Callable[[int, bytes], Words | None]
Notify = Callable[[str, Words], None]


class Journal:
    """Called on the engine's own threads. Nothing is awaited before the row is written, and nothing is ever raised to the engine.

    *notify* is told of signs of life, and of what may come from the account's own phone; *on_failure*, that a row was not taken, and
    whether for want of disk.
    """

    def __init__(
        self, inbox: InboxWriter, translate: Translate, notify: Notify, *, on_failure: Callable[[bool], None]
    ) -> None:
        self._inbox = inbox
        self._translate = translate
        self._notify = notify
        self._on_failure = on_failure
        self._count_lock = threading.Lock()
        self.rows: Counter[str] = Counter()
        self.untranslated = 0

    def event(self, session: str, code: int, raw: bytes) -> None:
        """Keep one event. A row that could not be translated stays raw, marked with the reason, and counted."""
        at_us = _now_us()
        words, body, error = self._words(code, raw)
        kind = kind_of(words) if words else RAW
        self._keep(Row(session=session, kind=kind, code=code, at_us=at_us, body=body, raw=raw, error=error))
        if isinstance(words, Life) or _of_a_phone(words):
            with suppress(RuntimeError):  # the loop is closed: the process is about to end
                self._notify(session, words)

    def outcome(self, session: str, outcome: Outcome) -> None:
        """Keep how a send ended, before anybody is told."""
        body = encode(outcome)
        self._keep(
            Row(session=session, kind=kind_of(outcome), code=OUR_OWN, at_us=_now_us(), body=body, raw=None, error=None)
        )

    def release(self, session: str) -> None:
        """Note that *session* leaves this worker: should it come back, its rows follow those it left elsewhere meanwhile."""
        self._inbox.release(session)

    def _words(self, code: int, raw: bytes) -> tuple[Words | None, bytes | None, str | None]:
        """An event's words, the same encoded, or why there are none."""
        try:
            words = self._translate(code, raw)
            if words is None:
                return None, None, "no words yet"
            kind_of(words)
            return words, encode(words), None
        except Exception as error:  # noqa: BLE001  # whatever a malformed event raises, the event itself is kept
            return None, None, f"translation failed: {type(error).__name__}"

    def _keep(self, row: Row) -> None:
        """Write *row*; while that fails, try on. The engine's thread waits meanwhile, so WhatsApp keeps what comes next."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                self._inbox.append(row)
                break
            except Exception as error:  # noqa: BLE001  # raised to the engine it would be an event lost
                _log_refusal(error, pause)
                with suppress(RuntimeError):  # as above
                    self._on_failure(isinstance(error, DiskFull))
                time.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)
        with self._count_lock:
            self.rows[row.kind] += 1
            self.untranslated += row.kind == RAW


def _of_a_phone(words: Words | None) -> TypeGuard[Message | Receipt]:
    """Whether a phone said this, whose ever: linked devices have numbers from 1 on."""
    if isinstance(words, Message):
        return words.from_me and words.sender.device == 0
    return isinstance(words, Receipt) and words.sender.device == 0


def _log_refusal(error: Exception, pause: float) -> None:
    """The first time loudly. Only our own errors are shown whole: another's may say what was in the row."""
    level = logging.ERROR if pause == FIRST_PAUSE_S else logging.DEBUG
    log.log(
        level, "The inbox does not take a row: %s", error if isinstance(error, SessionsError) else type(error).__name__
    )


def _now_us() -> int:
    return time.time_ns() // 1000
