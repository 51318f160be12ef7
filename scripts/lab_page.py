"""Serves the page of `./scripts/run --lab` on this machine alone. It holds the service's key, and never hands it out.

Since whoever reaches it may use that key, it answers only requests that name its own address (no other site's name that leads
here), and does only what its own page asks for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from lab_story import Refused, Story

from connector.api.assets import Assets

HOST = "127.0.0.1"
MAX_BODY = 70_000
MAX_TEXT = 4_096


@asynccontextmanager
async def serving(story: Story) -> AsyncGenerator[str]:
    """Serve the page that tells *story*; answers its address."""
    runner = web.AppRunner(application(story, Assets.read()), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    try:
        await site.start()
        yield f"http://{HOST}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def application(story: Story, assets: Assets) -> web.Application:
    """Answer the whole page: itself, its files, what it shows, what its buttons do."""
    app = web.Application(middlewares=[own_page_only, refusals], client_max_size=MAX_BODY)
    assets.add_to(app)

    async def page(request: web.Request) -> web.Response:
        return assets.page("lab", request)

    async def links(_: web.Request) -> web.Response:
        return web.json_response({"service": story.places.service})

    app.router.add_get("/", page)
    app.router.add_get("/links", links)
    app.router.add_get("/state", shows(story.state))
    app.router.add_get("/qr", shows(story.qr))
    for act in (story.scan, story.read, story.finish, story.unlink, story.tenant):
        app.router.add_post(f"/{act.__name__}", shows(act))
    for say in (story.write, story.answer):
        app.router.add_post(f"/{say.__name__}", says(say))
    return app


def shows(act: Callable[[], Awaitable[Any]]) -> Handler:
    """Answer what *act* answers."""

    async def handler(_: web.Request) -> web.StreamResponse:
        return web.json_response(await act())

    return handler


def says(act: Callable[[str], Awaitable[Any]]) -> Handler:
    """The same, with the text that a person wrote."""

    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            text = str((await request.json())["text"]).strip()
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(400, "This is no text.") from error
        if not 0 < len(text) <= MAX_TEXT:
            raise Refused(422, f"A text has 1 to {MAX_TEXT} characters.")
        return web.json_response(await act(text))

    return handler


@web.middleware
async def own_page_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what does not come from our own page: another name for this address, or another site's script or form."""
    transport = request.transport
    port = transport.get_extra_info("sockname")[1] if transport else 0
    own = {f"{name}:{port}" for name in (HOST, "localhost")}
    origin = request.headers.get(hdrs.ORIGIN, "")
    if request.host not in own or (
        request.method not in (hdrs.METH_GET, hdrs.METH_HEAD) and origin != f"http://{request.host}"
    ):
        raise web.HTTPForbidden(text="This page answers itself alone.\n")
    answer = await handler(request)
    answer.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Hand on what one of the two sides refused, in its own words."""
    try:
        return await handler(request)
    except Refused as refused:
        return web.json_response({"detail": str(refused)}, status=refused.status)
