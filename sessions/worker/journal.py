"""Disk first: what the engine hands over becomes one row of the inbox before anything else happens to it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from sessions.inbox import InboxError, InboxWriter, Row
from sessions.model import RAW, Life, Outcome, Words, encode, kind_of

OUR_OWN = -1
"""The event code of rows that the engine did not cause."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0

Translate = Callable[[int, bytes], Words | None]
Notify = Callable[[str, Life], None]


class Journal:
    """Called on the engine's own threads. Nothing is awaited before the row is written, and nothing is ever raised to the engine."""

    def __init__(
        self, inbox: InboxWriter, translate: Translate, notify: Notify, *, on_failure: Callable[[], None]
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
        words, error = self._words(code, raw)
        kind = kind_of(words) if words else RAW
        body = encode(words) if words else None
        self._keep(Row(session=session, kind=kind, code=code, at_us=_now_us(), body=body, raw=raw, error=error))
        if isinstance(words, Life):
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

    def _words(self, code: int, raw: bytes) -> tuple[Words | None, str | None]:
        try:
            words = self._translate(code, raw)
        except Exception as error:  # noqa: BLE001  # whatever a malformed event raises, the event itself is kept
            return None, f"translation failed: {type(error).__name__}"
        return (words, None) if words else (None, "no words yet")

    def _keep(self, row: Row) -> None:
        """Write *row*; while that fails, try on. The engine's thread waits meanwhile, so WhatsApp keeps what comes next."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                self._inbox.append(row)
                break
            except InboxError:
                self._on_failure()
                time.sleep(pause)
                pause = min(LONGEST_PAUSE_S, pause * 2)
        with self._count_lock:
            self.rows[row.kind] += 1
            self.untranslated += row.kind == RAW


def _now_us() -> int:
    return time.time_ns() // 1000
