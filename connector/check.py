"""The command `vigia check`: takes every step of the checkup, and tells each as it ends."""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from connector import checkup
from connector.checkup import Ground, Result, Status
from connector.command import Command, Say
from connector.failures import ExitCode
from connector.logs import Logs
from sessions.redaction import Redactor

_ABOUT = """\
Looks at everything the service needs, one step after the other, and says what to do about what is not right: settings,
data folder, disk, address, keys, queue, engine, database with its tables and rights, WhatsApp, webhook, alerts, clock,
limits.

Run it with the settings of the service, from its folder, as its user; while the service runs, or before. It changes
nothing: it makes the data folder where there is none, as a start does, and what it tries is undone or removed.
"""
_MARKS = {Status.OK: "ok", Status.WARN: "warn", Status.FAIL: "FAIL", Status.SKIPPED: "-"}


async def look(say: Say, *, as_json: bool = False) -> ExitCode:
    """Take every step, tell it, and answer whether the service can do its work."""
    results: list[Result] = []
    async with Ground() as ground:
        async for result in checkup.run(checkup.STEPS, ground):
            results.append(result)
            if not as_json:
                say(line(result))
    ended = ExitCode.BUG if any(one.finding.status is Status.FAIL for one in results) else ExitCode.STOPPED
    say(json.dumps(report(results), indent=2) if as_json else _summary(results))
    return ended


def line(result: Result) -> str:
    """Answer what a person reads of one step: one line, and one more with the remedy."""
    found = result.finding
    took = f" ({result.seconds:.1f} s)" if result.seconds >= 1 else ""
    told = [*f"{found.detail}{took}".splitlines(), *found.remedy.splitlines()]
    return f"{_MARKS[found.status]:<5}{result.title:<14} " + f"\n{'':<20}".join(told)


def report(results: list[Result]) -> dict[str, Any]:
    """Answer everything for a program: `{"ok", "steps": [{"name", "title", "status", "detail", "remedy", "seconds"}]}`."""
    steps = [
        {"name": one.name, "title": one.title, **asdict(one.finding), "seconds": round(one.seconds, 3)}
        for one in results
    ]
    return {"ok": not any(one.finding.status is Status.FAIL for one in results), "steps": steps}


def _summary(results: list[Result]) -> str:
    count = {status: sum(one.finding.status is status for one in results) for status in Status}
    if count[Status.FAIL]:
        return f"\n{count[Status.FAIL]} of {len(results)} steps failed: mend the first one first."
    known = f", {count[Status.WARN]} with something to know" if count[Status.WARN] else ""
    return f"\nAll {len(results)} steps are right{known}: start the service with `vigia serve`, if it does not run yet."


def _run(asked: Namespace, say: Say) -> ExitCode:
    logs = Logs(Redactor())
    logs.open("CRITICAL")  # what the parts say while they are tried is told by the steps
    try:
        return asyncio.run(look(say, as_json=asked.json))
    finally:
        logs.close()


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document at the end instead")


COMMAND = Command(
    "check",
    "look at everything the service needs, and say what to do about what is not right",
    _ABOUT,
    _run,
    _arguments,
    {
        ExitCode.STOPPED: "nothing failed",
        ExitCode.BUG: "at least one step failed",
        ExitCode.USAGE: "an argument is wrong",
    },
)
