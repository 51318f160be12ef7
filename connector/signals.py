"""Ctrl-C and SIGTERM: the first asks for an orderly stop, the second for an end at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager

_ASKING = (signal.SIGINT, signal.SIGTERM)


class StopRequests:
    """`first` is set when somebody asked to stop, `second` when somebody asked again."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()

    def ask(self) -> None:
        """Count one request."""
        (self.second if self.first.is_set() else self.first).set()

    @contextmanager
    def listening(self) -> Generator[None]:
        """Count the signals of the running loop's process while inside."""
        loop = asyncio.get_running_loop()
        for number in _ASKING:
            loop.add_signal_handler(number, self.ask)
        try:
            yield
        finally:
            for number in _ASKING:
                loop.remove_signal_handler(number)
