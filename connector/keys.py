"""The command `vigia keys`: where the key of the API lies, what it is, and a new one. The webhook's secret likewise."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connector import datadir, keyfile, settings
from connector.command import Command, Say
from connector.datadir import DataDir
from connector.failures import ExitCode, StartFailure
from connector.keyfile import new_api_key, new_webhook_secret

_ABOUT = """\
The API key is what callers send as X-API-KEY. The webhook secret is what events are signed with, so that their receiver
can tell that they are this service's. Each is made at the first start and kept in the data folder, unless a
setting names it.

  vigia keys show                where the API key lies
  vigia keys show --reveal       the key itself, and nothing else: KEY=$(vigia keys show --reveal)
  vigia keys rotate              a new one; a running service takes the old one until it is started again
  vigia keys rotate --webhook    a new secret for the webhook
"""


@dataclass(frozen=True, slots=True)
class Secret:
    """One of the two: what it is called, the setting that names it, what that names now, else its file and how it is made."""

    name: str
    setting: str
    given: str | None
    file: Path
    new: Callable[[], str]


def secret(data: DataDir, found: settings.Settings, *, webhook: bool) -> Secret:
    """Answer the secret that is asked about."""
    if webhook:
        given = found.webhook_secret
        value = given.get_secret_value() if given else None
        return Secret("webhook secret", "WEBHOOK_SECRET", value, data.webhook_secret, new_webhook_secret)
    value = found.api_key.get_secret_value() if found.api_key else None
    return Secret("API key", "API_KEY", value, data.api_key, new_api_key)


def show(about: Secret, say: Say, *, reveal: bool) -> None:
    """Tell where it is or, to *reveal* it, what it is. Raises `StartFailure` where there is none to reveal."""
    if about.given is None and not about.file.exists():
        if reveal:
            raise StartFailure(ExitCode.DATA_DIR, f"There is no {about.name} yet: the first start makes it.")
        say(f"There is no {about.name} yet: the first start makes it, in {about.file}.")
    elif reveal:
        say(about.given or keyfile.read_or_make(about.file, about.new).value)
    elif about.given:
        say(f"The {about.name} is the one in {about.setting} (environment or {settings.ENV_FILE}).")
    else:
        keyfile.read_or_make(about.file, about.new)  # a damaged one is told
        say(f"The {about.name} is in {about.file}.")


def rotate(about: Secret, data: DataDir, say: Say) -> None:
    """Make a new one in its file. Raises `StartFailure` where a setting names it: that is somebody else's to change."""
    if about.given:
        raise StartFailure(
            ExitCode.USAGE,
            f"The {about.name} is the one in {about.setting}: change it there, or unset it and let the service make one.",
        )
    datadir.prepare(data.path)
    keyfile.replace(about.file, about.new)
    say(f"A new {about.name} is in {about.file}; the old one is gone.")
    running = datadir.holder(data)
    if running:
        process = f"process {running}" if running > 0 else "process unknown"
        say(f"The service that runs ({process}) goes on with the old one until it is started again.")
    if about.new is new_webhook_secret:
        say("Give it to the receiver before that: `vigia keys show --webhook --reveal`.")


def _run(asked: Namespace, say: Say) -> ExitCode:
    found = settings.load()
    data = DataDir(found.data_dir)
    about = secret(data, found, webhook=asked.webhook)
    if asked.action == "rotate":
        rotate(about, data, say)
    else:
        show(about, say, reveal=asked.reveal)
    return ExitCode.STOPPED


def _arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    shows = actions.add_parser("show", help="tell where it is")
    shows.add_argument("--reveal", action="store_true", help="print it, and nothing else")
    rotates = actions.add_parser("rotate", help="make a new one")
    for action in (shows, rotates):
        action.add_argument("--webhook", action="store_true", help="the webhook's secret instead of the API key")


COMMAND = Command(
    "keys",
    "show or renew the API key, or the webhook's secret",
    _ABOUT,
    _run,
    _arguments,
    {
        ExitCode.STOPPED: "done",
        ExitCode.USAGE: "a setting or an argument is wrong, or a setting names the secret",
        ExitCode.DATA_DIR: "the data folder or the file in it cannot be used, or there is nothing to reveal",
    },
)
