"""How steps are walked: deadlines, what is pointless, and faults of the steps themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from connector import checkup
from connector.checkup import Finding, Status, Step, failed, fine, warned
from connector.checkup.steps import told
from connector.failures import ExitCode, StartFailure

Look = Callable[[list[str]], Awaitable[Finding]]


def step(name: str, finding: Finding | Exception, *needs: str, seconds: float = 5.0) -> Step[list[str]]:
    """Answer a step that writes its name down and finds what it is told."""

    async def look(taken: list[str]) -> Finding:
        taken.append(name)
        if isinstance(finding, Exception):
            raise finding
        return finding

    return Step(name, name.title(), look, needs, seconds)


async def walked(*steps: Step[list[str]]) -> tuple[list[str], dict[str, Finding]]:
    """Take the steps; answer which were taken, and what each found."""
    taken: list[str] = []
    return taken, {one.name: one.finding async for one in checkup.run(steps, taken)}


async def test_a_failure_makes_pointless_what_needs_it_and_names_itself() -> None:
    """A warning does not, and what needs something else is taken."""
    taken, found = await walked(
        step("a", failed("No.", "Mend it.")),
        step("b", fine("yes"), "a"),
        step("c", fine("yes"), "b"),
        step("d", warned("Hm.", "Look.")),
        step("e", fine("yes"), "d"),
    )
    assert taken == ["a", "d", "e"]
    assert [one.status for one in found.values()] == [
        Status.FAIL,
        Status.SKIPPED,
        Status.SKIPPED,
        Status.WARN,
        Status.OK,
    ]
    assert found["c"].detail == "skipped, because `a` failed"


async def test_a_step_that_hangs_is_broken_off() -> None:
    async def hang(_taken: list[str]) -> Finding:
        await asyncio.Event().wait()
        raise AssertionError

    taken, found = await walked(Step("a", "A", hang, seconds=0.01), step("b", fine("yes")))
    assert (taken, found["a"].status) == (["b"], Status.FAIL)
    assert found["a"].detail.startswith("It did not end within")


async def test_what_a_step_raises_is_a_finding() -> None:
    """A sentence of the start as it is; anything else without its words, which may hold a secret."""
    _, found = await walked(
        step("a", StartFailure(ExitCode.ADDRESS, "Port 1 is taken: set PORT to a free one.")),
        step("b", RuntimeError("a secret")),
    )
    assert found["a"] == failed("Port 1 is taken.", "Set PORT to a free one.")
    assert found["b"].status is Status.FAIL
    assert "secret" not in str(found["b"])


@pytest.mark.parametrize(
    ("sentence", "detail", "remedy"),
    [
        ("It is wrong: mend it.", "It is wrong.", "Mend it."),
        ("It is wrong.", "It is wrong.", ""),
        ("A: b.\nC: d.", "A: b.\nC: d.", ""),
    ],
)
def test_a_sentence_is_parted_from_its_remedy(sentence: str, detail: str, remedy: str) -> None:
    assert told(sentence) == failed(detail, remedy)


def test_every_step_needs_only_what_comes_before_it() -> None:
    """And each has a name of its own, short enough for its column."""
    names = [one.name for one in checkup.STEPS]
    assert len(set(names)) == len(names)
    for place, one in enumerate(checkup.STEPS):
        assert set(one.needs) <= set(names[:place]), one.name
        assert 0 < len(one.title) <= 14
