"""`python -m sessions.demo`: pairs one session and answers every text with the same text. Sessions without any HTTP service.

With WHATSAPP_LAB_PROXY, WHATSAPP_LAB_CA and WHATSAPP_LAB_ROOT_KEY set it talks to the local WhatsApp (`python -m lab`);
without them, to WhatsApp itself: then the code it prints is for a real phone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import uuid
from pathlib import Path

from loguru import logger

from sessions.engine import Lab, Launch
from sessions.errors import AlreadyConnected, PairingEnded
from sessions.fleet import Fleet
from sessions.intake import Heard, Intake
from sessions.model import Message, SessionId
from sessions.redaction import Redactor
from sessions.state import Status

CONNECTED_S = 60.0


async def echo(data: Path, lab: Lab | None) -> None:
    """Bring up one session under *data*, print codes until a phone is linked, then answer texts until cancelled."""
    fleet = Fleet(data, Launch(spool=data / "spool", lab=lab))
    await fleet.start()
    try:
        session = next((view.id for view in fleet.snapshot()), None) or fleet.create()
        await _pair(fleet, session)
        _print("connected: write to this account, it answers with the same words")
        # An echo that is missing after a crash is better than one said twice.
        async for batch in Intake(fleet.spool, fleet.rung, at_most_once=True).batches():
            for heard in batch:
                await _answer(fleet, heard)
    finally:
        await fleet.stop()


async def _pair(fleet: Fleet, session: SessionId) -> None:
    shown = ""
    while fleet.view(session).state.reason.status is not Status.CONNECTED:
        if fleet.view(session).identity:
            await asyncio.sleep(0.1)
            continue
        try:
            code = (await fleet.qr(session)).text
        except (AlreadyConnected, PairingEnded, TimeoutError):
            continue
        if code != shown:
            shown = code
            _print(f"scan this code: {code}")
        await asyncio.sleep(0.5)


async def _answer(fleet: Fleet, heard: Heard) -> None:
    words = heard.words
    if isinstance(words, Message) and words.text and not words.from_me and not words.group:
        outcome = await fleet.send(heard.session, str(uuid.uuid4()), words.chat.jid, words.text)
        _print(f"answered one text: {outcome.status}")


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _log_without_secrets() -> None:
    """Warnings only, on standard error, without numbers, texts or codes."""
    redact = Redactor()
    logger.remove()
    logger.configure(patcher=lambda record: record.update(message=redact(record["message"]), exception=None))
    logger.add(sys.stderr, level="WARNING", format="{level}: {message}", diagnose=False, backtrace=False)


def lab_from_environment() -> Lab | None:
    """Answer the local WhatsApp that the environment names, if it names one."""
    proxy, ca, key = (os.environ.get(f"WHATSAPP_LAB_{name}") for name in ("PROXY", "CA", "ROOT_KEY"))
    return Lab(proxy=proxy, ca=Path(ca), root_key=key) if proxy and ca and key else None


def main() -> None:
    """Read the arguments and run until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m sessions.demo", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=Path("data/demo"), help="where credentials are kept (default: data/demo)"
    )
    arguments = parser.parse_args()
    os.umask(0o077)
    _log_without_secrets()
    try:
        asyncio.run(echo(arguments.data.resolve(), lab_from_environment()))
    except KeyboardInterrupt:
        _print("stopped")


if __name__ == "__main__":
    main()
