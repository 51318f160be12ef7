"""The command `vigia`: reads the command line, answers the shell. Everything else is in `app`."""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python reads this far before it meets what it does not know
    sys.exit(
        "Vigia needs Python 3.11 or newer, not " + sys.version.split()[0] + ": install one, and start it with that."
    )

import os
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from contextlib import suppress
from importlib.metadata import version
from typing import TextIO

from connector import app, backup, check, dead, keys, migration
from connector.command import Command
from connector.failures import ExitCode, StartFailure

_DESCRIPTION = "Vigia keeps many WhatsApp sessions connected, and lets your programs use them over HTTP."
_MORE = "`vigia COMMAND --help` says what a command does, what it takes and how it ends."
_SERVE = """\
Starts the service and runs until Ctrl-C, SIGTERM or SIGHUP, which drain for up to 8 seconds; a second one ends at once.

Settings come from the environment and from .env.supabase in the working folder; the environment wins.
docs/configuration.md names them all. The most used:

  HOST      address to listen on        (127.0.0.1)
  PORT      TCP port                    (3001)
  DATA_DIR  folder of everything kept   (./data)
  API_KEY   what callers must send      (made once, kept in DATA_DIR/api-key)
"""
COMMANDS = (
    Command(
        "serve",
        "start the service and run until it is asked to stop",
        _SERVE,
        lambda _asked, say: app.run(app.start_all, say),
        ends={
            ExitCode.STOPPED: "stopped as asked, everything drained",
            ExitCode.BUG: "a fault of the service: DATA_DIR/logs/error.log says more",
            ExitCode.USAGE: "a setting or an argument is wrong",
            ExitCode.DATA_DIR: "the data folder cannot be written, is full, or another Vigia uses it",
            ExitCode.ADDRESS: "HOST and PORT cannot be listened on",
            ExitCode.DRAIN_TIMED_OUT: "stopped as asked, but not everything drained within 8 seconds",
            ExitCode.DATABASE: "the embedded database is of another version, or is not there for this machine",
            ExitCode.INTERRUPTED: "ended at once, by a second Ctrl-C",
        },
    ),
    backup.COMMAND,
    check.COMMAND,
    dead.COMMAND,
    keys.COMMAND,
    migration.COMMAND,
)
"""Every command, in the order of `vigia --help`."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and answer its exit status."""
    os.umask(0o077)  # before the first file: sessions are as good as passwords
    asked = _parser().parse_args(arguments)
    try:
        return asked.run(asked, _say)
    except StartFailure as failure:
        for line in str(failure).splitlines():
            _say(f"vigia: {line}", sys.stderr)
        return failure.code
    except KeyboardInterrupt:  # before the loop listens to signals itself
        return ExitCode.INTERRUPTED


def _parser() -> ArgumentParser:
    parser = ArgumentParser("vigia", description=_DESCRIPTION, epilog=_MORE)
    parser.add_argument("--version", action="version", version=f"vigia {version('vigia')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        its = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.about,
            epilog=_statuses(command),
            formatter_class=RawDescriptionHelpFormatter,
        )
        command.arguments(its)
        its.set_defaults(run=command.run)
    return parser


def _statuses(command: Command) -> str:
    return "\n".join(["exit status:", *(f"  {status:<4d} {means}" for status, means in command.ends.items())])


def _say(text: str, stream: TextIO | None = None) -> None:
    with suppress(OSError):  # nobody reads us any more, which is no reason to stop
        print(text, file=stream or sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())
