"""Steps as data, and how they are walked: one after the other, each with a deadline, none after what makes it pointless."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from connector.failures import StartFailure

G = TypeVar("G")


class Status(StrEnum):
    """What a step found."""

    OK = "ok"  # as it should be
    WARN = "warn"  # the service runs, and somebody should know
    FAIL = "fail"  # the service does not do its work like this
    SKIPPED = "skipped"  # not looked at: an earlier step says why it would be in vain


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step found: one sentence or phrase, and what to do about it ("" where there is nothing to do)."""

    status: Status
    detail: str
    remedy: str = ""


def fine(detail: str) -> Finding:
    """Find nothing wrong."""
    return Finding(Status.OK, detail)


def warned(detail: str, remedy: str) -> Finding:
    """Find something to know."""
    return Finding(Status.WARN, detail, remedy)


def failed(detail: str, remedy: str) -> Finding:
    """Find what has to be mended."""
    return Finding(Status.FAIL, detail, remedy)


def skipped(because: str) -> Finding:
    """Find out nothing."""
    return Finding(Status.SKIPPED, because)


def told(sentences: str) -> Finding:
    """Answer the failure that was told as `what is wrong: what to do`, one a line: the way a start tells it."""
    wrong, _, remedy = sentences.rpartition(": ")
    if not wrong or "\n" in sentences:
        return failed(sentences, "")
    return failed(f"{wrong}.", remedy[:1].upper() + remedy[1:])


@dataclass(frozen=True, slots=True)
class Step(Generic[G]):
    """One look at a ground G: `name` for programs, `title` for people, `needs` the steps without which it is in vain.

    `look` may raise `StartFailure`, whose sentence is the finding. It is broken off after `seconds`.
    """

    name: str
    title: str
    look: Callable[[G], Awaitable[Finding]]
    needs: tuple[str, ...] = ()
    seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Result:
    """A step that was taken: its names, what it found, how long that took."""

    name: str
    title: str
    finding: Finding
    seconds: float


async def run(steps: Sequence[Step[G]], ground: G) -> AsyncGenerator[Result]:
    """Take the *steps* in order and answer each as it ends. Nothing that a step does wrong stops the others."""
    cause: dict[str, str] = {}  # of each step that is pointless or failed: the one that failed
    for step in steps:
        began = time.monotonic()
        because = next((cause[name] for name in step.needs if name in cause), None)
        finding = skipped(f"skipped, because `{because}` failed") if because else await _taken(step, ground)
        if finding.status in (Status.FAIL, Status.SKIPPED):
            cause[step.name] = because or step.name
        yield Result(step.name, step.title, finding, time.monotonic() - began)


async def _taken(step: Step[G], ground: G) -> Finding:
    try:
        async with asyncio.timeout(step.seconds):
            return await step.look(ground)
    except StartFailure as failure:
        return told(str(failure))
    except TimeoutError:
        return failed(f"It did not end within {step.seconds:.0f} s.", "Try again; if it stays, look at the log.")
    except Exception as error:  # noqa: BLE001 - a step that stumbles is a finding too, and hides the others' no more
        return failed(f"It could not be looked at ({type(error).__name__}).", "This is a fault of Vigia: report it.")
