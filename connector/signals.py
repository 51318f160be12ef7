"""Ctrl-C, SIGTERM and the end of the terminal (SIGHUP): the first asks for an orderly stop, the second for an end at once."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Generator
from contextlib import contextmanager

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        heard = [number for number in _ASKING if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
        for number in heard:
            loop.add_signal_handler(number, self.ask)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)
