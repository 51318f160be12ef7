"""The command `vigia dead`: dead letters looked at, put back, thrown away, by asking the service that runs."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from connector import keyfile, settings
from connector.command import Command, Say
from connector.datadir import DataDir
from connector.failures import ExitCode, StartFailure
from connector.settings import Settings

_ABOUT = """\
What the database or the webhook refused for good is kept as a dead letter, while everything else goes on: for
DEAD_LETTERS_KEPT_DAYS. Mend the cause, then put it back; or throw it away.

  vigia dead list                          which there are, the oldest first
  vigia dead show 12                       one of them, with what it says
  vigia dead replay 12 13                  back into their places in the queue
  vigia dead replay --sink webhook         all of a sink, up to 10,000 at once
  vigia dead discard 12                    gone for good, once you said yes

A letter that is put back goes before everything of its connection that came after it and still waits. It carries the
id it always had, so nothing is doubled. The service has to run: it alone knows what is under way.
"""
_PATH = "/api/whatsapp-bootstrap/dead-letters"
_ASK_S = 30.0

Ask = Callable[[str, str, Mapping[str, Any] | None], Any]
"""Asks the service (method, path, body) and answers its JSON. Raises `StartFailure` with what it refused."""


def caller() -> Ask:
    """Answer what asks the service of these settings, with its key."""
    found = settings.load()
    key = _key(found)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(found.host, found.host)  # noqa: S104 - read here, not bound

    def ask(method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        with closing(HTTPConnection(host, found.port, timeout=_ASK_S)) as connection:
            try:
                headers = {"X-API-KEY": key, "Content-Type": "application/json"}
                connection.request(method, path, json.dumps(body) if body is not None else None, headers)
                answer = connection.getresponse()
                said = json.loads(answer.read())
            except (OSError, HTTPException, ValueError) as error:
                raise StartFailure(
                    ExitCode.ADDRESS,
                    f"No Vigia answers on {found.host}, port {found.port} ({type(error).__name__}): start it with "
                    "`vigia serve`, or run this with the settings it runs with.",
                ) from error
        if answer.status >= 400:
            raise StartFailure(ExitCode.USAGE, str(said.get("detail", answer.status)))
        return said

    return ask


def _key(found: Settings) -> str:
    """Answer the key without making one: where there is none, no service runs."""
    if found.api_key:
        return found.api_key.get_secret_value()
    file = DataDir(found.data_dir).api_key
    if not file.exists():
        raise StartFailure(ExitCode.DATA_DIR, f"There is no key in {file}: run this with the service's own DATA_DIR.")
    return keyfile.read_or_make(file).value


def show_list(asked: Namespace, ask: Ask, say: Say) -> None:
    """Tell which letters there are."""
    query = {"sink": asked.sink, "connectionId": asked.connection, "reason": asked.reason, "after": asked.after}
    wanted = {name: value for name, value in query.items() if value} | {"limit": asked.limit}
    said = ask("GET", f"{_PATH}?{urlencode(wanted)}", None)
    if asked.json:
        say(json.dumps(said, indent=2, ensure_ascii=False))
        return
    for one in said["items"]:
        say(_line(one))
    if not said["items"]:
        say("There are no dead letters." if not said["total"] else "There are no more.")
    elif len(said["items"]) == asked.limit < said["total"]:
        say(f"{said['total']} in all; the next: vigia dead list --after {said['items'][-1]['id']}")


def show_one(asked: Namespace, ask: Ask, say: Say) -> None:
    """Tell everything of one letter, what people wrote too."""
    say(json.dumps(ask("GET", f"{_PATH}/{asked.id}", None), indent=2, ensure_ascii=False))


def replay(asked: Namespace, ask: Ask, say: Say) -> None:
    """Put letters back."""
    if bool(asked.ids) == bool(asked.sink):
        raise StartFailure(ExitCode.USAGE, "Say which: their numbers, or --sink with all of its letters.")
    for number in asked.ids:
        say(f"back in its place: {_line(ask('POST', f'{_PATH}/{number}/replay', None))}")
    if asked.sink:
        body = {"sink": asked.sink, "connectionId": asked.connection, "reason": asked.reason}
        said = ask("POST", f"{_PATH}/replay", {name: value for name, value in body.items() if value})
        left = f", {said['left']} are left: run it again" if said["left"] else ""
        say(f"{said['replayed']} letters are back in their places{left}.")


def discard(asked: Namespace, ask: Ask, say: Say, answer: Callable[[], str] | None = None) -> None:
    """Throw letters away, once somebody said yes. *answer* reads what is typed; None where nobody is there to type."""
    for number in asked.ids:
        say(_line(ask("GET", f"{_PATH}/{number}", None)))
    if not asked.yes:
        if answer is None:
            raise StartFailure(ExitCode.USAGE, "Nobody is at the terminal to confirm this: add --yes if you mean it.")
        say(f"Throw {'it' if len(asked.ids) == 1 else 'them'} away for good? What they say is lost. Type yes:")
        if answer().strip().lower() != "yes":
            raise StartFailure(ExitCode.USAGE, "Nothing was thrown away.")
    for number in asked.ids:
        said = ask("DELETE", f"{_PATH}/{number}", None)
        say(f"thrown away: {said['id']}")


def _line(one: Mapping[str, Any]) -> str:
    whose = one["connectionId"] or "(a connection that is gone)"
    return f"{one['id']:>6}  {one['at'][:19]}Z  {one['sink']:<8} {whose}  {one['size']} bytes  {one['reason']}"


def _arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="which there are")
    listed.add_argument("--after", type=int, default=0, metavar="ID", help="only those that follow this one")
    listed.add_argument("--limit", type=int, default=50, help="how many at most, up to 500 (%(default)s)")
    listed.add_argument("--json", action="store_true", help="print what the API answers")
    shown = actions.add_parser("show", help="one of them, with what it says")
    shown.add_argument("id", type=int, metavar="ID")
    back = actions.add_parser("replay", help="put them back into their places")
    back.add_argument("ids", type=int, nargs="*", metavar="ID")
    for each in (listed, back):
        each.add_argument("--sink", help="of this sink alone: record, webhook, or inbound for events never processed")
        each.add_argument("--connection", metavar="ID", help="of this connection alone")
        each.add_argument("--reason", help="with exactly this reason alone")
    gone = actions.add_parser("discard", help="throw them away for good")
    gone.add_argument("ids", type=int, nargs="+", metavar="ID")
    gone.add_argument("--yes", action="store_true", help="without asking first")
    for each, act in ((listed, show_list), (shown, show_one), (back, replay), (gone, _discard)):
        each.set_defaults(act=act)


def _discard(asked: Namespace, ask: Ask, say: Say) -> None:
    discard(asked, ask, say, sys.stdin.readline if sys.stdin.isatty() else None)


def _run(asked: Namespace, say: Say) -> ExitCode:
    asked.act(asked, caller(), say)
    return ExitCode.STOPPED


COMMAND = Command(
    "dead",
    "what was refused for good: list, show, replay, discard",
    _ABOUT,
    _run,
    _arguments,
    ends={
        ExitCode.STOPPED: "done",
        ExitCode.USAGE: "the service refused it, or a setting or an argument is wrong",
        ExitCode.DATA_DIR: "the API key in the data folder cannot be read",
        ExitCode.ADDRESS: "no Vigia answers on HOST and PORT",
    },
)
