"""One command of `vigia`, as data: `__main__` lists them all, and each lies with what it does."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from connector.failures import ExitCode

Say = Callable[[str], None]
"""Tells the person at the terminal one line or more."""


def _nothing(_parser: ArgumentParser) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed after `vigia`, and what it does.

    `summary` is its line in `vigia --help`, `about` what its own `--help` says first, `ends` what each exit status means there.
    `arguments` adds to its parser. `run` is given what was typed and answers the exit status; it may raise `StartFailure`, whose
    sentences are then told.
    """

    name: str
    summary: str
    about: str
    run: Callable[[Namespace, Say], int]
    arguments: Callable[[ArgumentParser], None] = _nothing
    ends: Mapping[int, str] = field(
        default_factory=lambda: {0: "done", ExitCode.USAGE: "a setting or an argument is wrong"}
    )
