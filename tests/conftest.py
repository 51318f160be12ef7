"""Leaves out what needs a browser where there is none, and says so, loudly and once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import chromium
import pytest
from hypothesis import settings

PAGES = Path(__file__).parent / "browser"
LEFT_OUT = pytest.StashKey[int]()

settings.register_profile("vigia", settings.default, deadline=None)
settings.load_profile("vigia")
"""As hypothesis has it, but that no test fails for a machine that is busy."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of pages, unless they can run or may not be left out."""
    if chromium.found() or chromium.required():
        return
    pages = [item for item in items if PAGES in item.path.parents]
    items[:] = [item for item in items if PAGES not in item.path.parents]
    config.hook.pytest_deselected(items=pages)
    config.stash[LEFT_OUT] = len(pages)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of a divided run tells the one that prints."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it from each worker; all of them collected the same."""
    told: dict[str, Any] = getattr(node, "workeroutput", None) or {}
    node.config.stash[LEFT_OUT] = told.get("left_out", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The one line."""
    if count := config.stash.get(LEFT_OUT, 0):
        terminalreporter.section("LEFT OUT", yellow=True, bold=True)
        line = f"{count} tests of the web pages: there is no Chromium. Install it with: sudo apt install chromium libatomic1"
        terminalreporter.write_line(line, yellow=True, bold=True)
