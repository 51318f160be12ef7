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

from connector import app, migration
from connector.failures import ExitCode, StartFailure

_DESCRIPTION = "Vigia keeps many WhatsApp sessions connected, and lets your programs use them over HTTP."
_SERVE = """\
Starts the service and runs until Ctrl-C or SIGTERM, which drain for up to 8 seconds; a second Ctrl-C ends at once.

Settings come from the environment and from .env.supabase in the working folder; the environment wins.
docs/configuration.md names them all. The most used:

  HOST      address to listen on        (127.0.0.1)
  PORT      TCP port                    (3001)
  DATA_DIR  folder of everything kept   (./data)
  API_KEY   what callers must send      (made once, kept in DATA_DIR/api-key)
"""
_MIGRATE = """\
Creates or changes the tables and functions of the database in DATABASE_URL or SUPABASE_DB_URL: what is missing, in one
transaction, noted where the Supabase CLI notes it too. The service does this itself for its own, embedded database.
"""
_EXIT_CODES = """\
exit status:
  0    stopped as asked, everything drained
  1    a fault of the service: DATA_DIR/logs/error.log says more
  2    a setting or an argument is wrong
  3    the data folder cannot be written, is full, or another Vigia uses it
  4    HOST and PORT cannot be listened on
  5    stopped as asked, but not everything drained within 8 seconds
  6    `vigia migrate` could not reach or use the database
  130  ended at once, by a second Ctrl-C
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and answer its exit status."""
    os.umask(0o077)  # before the first file: sessions are as good as passwords
    asked = _parser().parse_args(arguments)
    try:
        if asked.command == "migrate":
            return migration.run(as_text=asked.print, say=_say)
        return app.run(app.start_all, _say)
    except StartFailure as failure:
        for line in str(failure).splitlines():
            _say(f"vigia: {line}", sys.stderr)
        return failure.code
    except KeyboardInterrupt:  # before the loop listens to signals itself
        return ExitCode.INTERRUPTED


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "vigia", description=_DESCRIPTION, epilog=_EXIT_CODES, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"vigia {version('vigia')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    serve = "start the service and run until it is asked to stop"
    commands.add_parser(
        "serve", help=serve, description=_SERVE, epilog=_EXIT_CODES, formatter_class=RawDescriptionHelpFormatter
    )
    brings = "bring the database in DATABASE_URL or SUPABASE_DB_URL to this Vigia's tables"
    migrate = commands.add_parser(
        "migrate", help=brings, description=_MIGRATE, epilog=_EXIT_CODES, formatter_class=RawDescriptionHelpFormatter
    )
    migrate.add_argument("--print", action="store_true", help="print one SQL text instead, for Supabase's SQL editor")
    return parser


def _say(text: str, stream: TextIO | None = None) -> None:
    with suppress(OSError):  # nobody reads us any more, which is no reason to stop
        print(text, file=stream or sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())
