"""Why the service does not start, and what it answers to the shell."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What `vigia` ends with."""

    STOPPED = 0  # asked to stop, and everything was drained
    BUG = 1  # a fault of the service: error.log says more
    USAGE = 2  # a setting or an argument is wrong
    DATA_DIR = 3  # the data folder cannot be used, is full, or is in use
    ADDRESS = 4  # HOST and PORT cannot be listened on
    DRAIN_TIMED_OUT = 5  # asked to stop, but not everything was drained in time
    DATABASE = (
        6  # the service's own database cannot be started; for `vigia migrate`: the named one cannot be reached or used
    )
    INTERRUPTED = 130  # asked to stop a second time: ended at once


class StartFailure(Exception):
    """The service cannot start. The text is one sentence a line for the person at the terminal, each with its remedy."""

    def __init__(self, code: ExitCode, text: str) -> None:
        super().__init__(text)
        self.code = code
