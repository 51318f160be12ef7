"""Pages of a browser for tests: with the wishes of a person who opens one, and watched for what no page of ours may do."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, ViewportSize

NARROWEST, PHONE, DESKTOP = 320, 360, 1280
HEIGHT = 800
LOCAL = ("127.0.0.1", None)


class OpenPage(Protocol):
    """Opens *url* in a page of its own. *console*: patterns of errors that the test expects there."""

    async def __call__(
        self,
        url: str = "about:blank",
        *,
        language: str = "pt-BR",
        width: int = DESKTOP,
        dark: bool = False,
        still: bool = True,
        touch: bool = False,
        console: Sequence[str] = (),
    ) -> Page: ...


@dataclass
class Watch:
    """What a page should not have done."""

    console: Sequence[str]
    outside: list[str] = field(default_factory=list[str])
    errors: list[str] = field(default_factory=list[str])

    def over(self, page: Page) -> None:
        """Look at all that *page* does from now on."""
        page.on("request", lambda request: self._asked(request.url))
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self._said("error", str(error)))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("data", "blob", "about") and parts.hostname not in LOCAL:
            self.outside.append(url)

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and not any(re.search(pattern, text) for pattern in self.console):
            self.errors.append(text)


@asynccontextmanager
async def pages(browser: Browser) -> AsyncGenerator[OpenPage]:
    """Open pages. At the end none may have asked anybody else for anything, nor complained: else `AssertionError`."""
    watches: list[Watch] = []
    async with AsyncExitStack() as stack:

        async def opened(
            url: str = "about:blank",
            *,
            language: str = "pt-BR",
            width: int = DESKTOP,
            dark: bool = False,
            still: bool = True,
            touch: bool = False,
            console: Sequence[str] = (),
        ) -> Page:
            context = await browser.new_context(
                locale=language,
                viewport=ViewportSize(width=width, height=HEIGHT),
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce" if still else "no-preference",
                has_touch=touch,
                is_mobile=touch,
            )
            stack.push_async_callback(context.close)
            watch = Watch(console)
            watches.append(watch)
            page = await context.new_page()
            watch.over(page)
            await page.goto(url)
            return page

        yield opened
    assert [url for watch in watches for url in watch.outside] == [], "a page asked somebody else"
    assert [text for watch in watches for text in watch.errors] == [], "a page complained in the console"
