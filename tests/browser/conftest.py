"""Chromium for tests of pages: one a file, a page with its own cookies for each wish.

Everything here runs in one event loop a file. A test in this folder runs there too; an async fixture must say so:
`@pytest_asyncio.fixture(loop_scope="module")`. `serve` saves most tests from having one.

A page may load nothing from elsewhere, and leave no error in the console: either fails the test.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import chromium
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from axe_playwright_python.async_playwright import Axe
from pages import OpenPage, pages
from playwright.async_api import Browser, Page, async_playwright

HERE = Path(__file__).parent
KEPT = "SCREENSHOTS"
"""Names a folder where pictures stay; without it they go to a temporary one."""

SERIOUS = {"serious", "critical"}

Serve = Callable[[web.Application], Awaitable[str]]
Inspect = Callable[[Page], Awaitable[None]]
Screenshot = Callable[[Page, str], Awaitable[Path]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests in the loop that the browser lives in."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser]:
    """Chromium, without a window."""
    path = chromium.found()
    if path is None:
        pytest.fail(f"there is no Chromium, and {chromium.REQUIRED}=1 asks for one: apt install chromium libatomic1")
    with pytest.MonkeyPatch.context() as environment:
        if node := chromium.other_node():
            environment.setenv("PLAYWRIGHT_NODEJS_PATH", str(node))
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=path, args=list(chromium.ARGUMENTS), chromium_sandbox=os.geteuid() != 0
            )
            yield browser
            await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser) -> AsyncGenerator[OpenPage]:
    """Open pages: `await open_page(url, language="en", width=PHONE, dark=True, console=["404"])`; see `pages.py`."""
    async with pages(browser) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def serve() -> AsyncGenerator[Serve]:
    """Serve an application on a port of its own until the test ends; answers its address without a slash at its end."""
    async with AsyncExitStack() as stack:

        async def served(app: web.Application) -> str:
            server = await stack.enter_async_context(TestServer(app, host="127.0.0.1"))
            return str(server.make_url("/")).rstrip("/")

        yield served


@pytest.fixture
def axe() -> Inspect:
    """Hold a page, as it is now, to what everybody can use: no serious finding of axe-core."""

    async def inspect(page: Page) -> None:
        found: list[dict[str, Any]] = (await Axe().run(page)).response["violations"]
        assert [_finding(one) for one in found if one["impact"] in SERIOUS] == []

    return inspect


@pytest.fixture
def screenshot(tmp_path: Path) -> Screenshot:
    """Keep a picture of the whole page under a name, and answer where."""

    folder = Path(os.environ.get(KEPT) or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)

    async def take(page: Page, name: str) -> Path:
        path = folder / f"{name}.png"
        await page.screenshot(path=path, full_page=True)
        return path

    return take


def _finding(violation: dict[str, Any]) -> str:
    where = ", ".join(str(node["target"]) for node in violation["nodes"])
    return f"{violation['id']} ({violation['impact']}): {violation['help']}: {where}"
