"""What tests of pages stand on can fail: a page that asks others, complains, or cannot be used is caught."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web
from pages import pages


def page_of(body: str) -> web.Application:
    async def answer(_request: web.Request) -> web.Response:
        text = f"<!doctype html><html lang=en><title>t</title><link rel=icon href=data:,><main><h1>t</h1>{body}</main>"
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", answer)
    return app


async def test_a_page_is_as_it_was_wished(serve: Any, open_page: Any, screenshot: Any) -> None:
    """Its language, width and colours; and there is a picture of it."""
    url = await serve(page_of("<p>fine</p>"))
    page = await open_page(url, language="en-GB", width=320, dark=True)
    wishes = "[navigator.language, innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"
    assert await page.evaluate(wishes) == ["en-GB", 320, True]
    assert (await screenshot(page, "itself")).stat().st_size > 1000


async def test_axe_finds(serve: Any, open_page: Any, axe: Any) -> None:
    """A picture without words for it is serious; a plain paragraph is not."""
    await axe(await open_page(await serve(page_of("<p>fine</p>"))))
    bad = await open_page(await serve(page_of("<img src='data:,' width=40 height=40>")), console=[r"."])
    with pytest.raises(AssertionError, match="image-alt"):
        await axe(bad)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<img alt=x src='http://192.0.2.1/x.png'>", "asked somebody else"),
        ("<script>console.error('no')</script>", "complained"),
        ("<script>missing()</script>", "complained"),
    ],
)
async def test_a_page_that_misbehaves_fails_its_test(browser: Any, serve: Any, body: str, complaint: str) -> None:
    """Where the test ends."""
    url = await serve(page_of(body))
    with pytest.raises(AssertionError, match=complaint):
        async with pages(browser) as open_page:
            await open_page(url)
