"""The tenant's page over the real service, its real engine and a local WhatsApp: a phone reads what is on the screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
import qr_reader
from pages import PHONE, OpenPage
from playwright.async_api import Page, expect

from benchmarks.rig import Numbers
from benchmarks.service import Service
from lab.client import LabClient, running_lab

LONG_MS = 90_000
pytestmark = pytest.mark.timeout(300)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncGenerator[LabClient]:
    """A running lab."""
    async with running_lab() as lab:
        yield lab


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(lab: LabClient, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Service]:
    """A running service."""
    async with Service(tmp_path_factory.mktemp("pair") / "data", lab, MAX_PAIRINGS="1") as service:
        await service.ready()
        yield service


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def nothing_lingers(service: Service) -> AsyncGenerator[None]:
    """A pairing goes on for a minute after its page was closed: the next test should not wait for it."""
    yield
    for one in (await service.ask("GET", "/connections"))["items"]:
        await service.ask("DELETE", f"/connections/{one['connectionId']}")


@pytest.fixture(scope="module")
def number() -> Numbers:
    """New phone numbers, mobile ones of São Paulo."""
    return Numbers(5511981230000)


async def linkable(service: Service, name: str) -> str:
    """Make a connection and answer the address of its page."""
    await service.ask("POST", "/connections", {"connectionId": name, "name": "Padaria da Ana", "ownerId": "dono"})
    return (await service.ask("POST", f"/connections/{name}/pair-link", {"expiresInSeconds": 600}))["url"]


async def in_reason(service: Service, name: str, reason: str) -> None:
    """Wait until the connection is so."""
    async with asyncio.timeout(60):
        while True:
            if (await service.ask("GET", f"/connections/{name}"))["reason"] == reason:
                return
            await asyncio.sleep(0.1)


async def read(page: Page) -> str:
    """Read the code on the screen, as a camera does."""
    await expect(page.locator("#qr")).to_be_visible(timeout=LONG_MS)
    return qr_reader.from_picture(await page.locator("#qr").screenshot())


async def test_a_phone_scans_what_the_page_shows(
    service: Service, lab: LabClient, number: Numbers, open_page: OpenPage, axe: Any, screenshot: Any
) -> None:
    """And the page shows the check mark; whoever opens the link again sees that it is done; so is it after a restart."""
    shop, url = number(), await linkable(service, "escaneada")
    await lab.phone(shop, "Ana")
    page = await open_page(url, console=["ERR_"])
    await lab.scan(shop, await read(page))
    done = page.get_by_role("heading", name="Tudo certo: WhatsApp conectado")
    await expect(done).to_be_visible(timeout=LONG_MS)
    await expect(page.get_by_text(f"+55 11 •••••-{shop[-4:]}")).to_be_visible()
    await axe(page)
    await screenshot(page, "pair-real-done")
    await service.stop()
    await service.start()
    await service.ready()
    await service.connected(1, "escaneada")
    again = await open_page(url, language="en")
    await expect(again.get_by_role("heading", name="This WhatsApp is connected already")).to_be_visible(timeout=LONG_MS)
    log = service.tail(1_000_000)
    assert "GET /pair/" in log
    assert url.rsplit("/", 1)[1] not in log, "a link is a secret"


async def test_a_phone_is_linked_by_the_code_it_types(
    service: Service, lab: LabClient, number: Numbers, open_page: OpenPage, screenshot: Any
) -> None:
    """For who has nothing but the phone: its number in, eight letters out."""
    shop = number()
    await lab.phone(shop, "Ana")
    page = await open_page(await linkable(service, "digitada"), language="en-US", width=PHONE, dark=True)
    await page.get_by_role("button", name="Use a code").click(timeout=LONG_MS)
    await page.get_by_label("WhatsApp number").fill(f"+55 ({shop[2:4]}) {shop[4:9]}-{shop[9:]}")
    await page.get_by_role("button", name="Get a code", exact=True).click()
    letters = page.locator("#letters")
    await expect(letters).to_have_text(re.compile(r"^\w{4}-\w{4}$"), timeout=LONG_MS)
    await screenshot(page, "pair-real-typed-en-dark")
    await lab.link(shop, await letters.inner_text())
    await expect(page.get_by_role("heading", name="All done: WhatsApp is connected")).to_be_visible(timeout=LONG_MS)


async def test_codes_run_out_and_are_begun_anew(
    service: Service, lab: LabClient, number: Numbers, open_page: OpenPage
) -> None:
    """WhatsApp has one code only: the page says that its time is over, and a click has the next, which works."""
    shop = number()
    await lab.phone(shop, "Ana")
    await lab.ask("POST", "/pairing", {"refs": 1})
    try:
        page = await open_page(await linkable(service, "vencida"))
        again = page.get_by_role("button", name="Mostrar um novo código")
        await expect(again).to_be_visible(timeout=LONG_MS)
    finally:
        await lab.ask("POST", "/pairing", {"refs": 6})
    await again.click()
    await lab.scan(shop, await read(page))
    await expect(page.get_by_role("heading", name="WhatsApp conectado")).to_be_visible(timeout=LONG_MS)


async def test_one_at_a_time(service: Service, lab: LabClient, number: Numbers, open_page: OpenPage) -> None:
    """Where only one may pair, the second waits its turn, and has it without a click."""
    shop = number()
    await lab.phone(shop, "Ana")
    first = await open_page(await linkable(service, "primeira"))
    code = await read(first)
    second = await open_page(await linkable(service, "segunda"))
    await expect(second.get_by_role("heading", name="Muitas pessoas")).to_be_visible(timeout=LONG_MS)
    await lab.scan(shop, code)
    assert await read(second) != code


async def test_whatsapp_is_away(service: Service, lab: LabClient, number: Numbers, open_page: OpenPage) -> None:
    """It is said, and tried again by a click once it is back."""
    await lab.faults("refuse")
    try:
        page = await open_page(await linkable(service, "sem-whatsapp"))
        heading = page.get_by_role("heading", name="O WhatsApp não respondeu")
        await expect(heading).to_be_visible(timeout=LONG_MS)
    finally:
        await lab.faults("clear")
    await page.get_by_role("button", name="Tentar de novo").click()
    assert await read(page)


async def test_the_phone_unlinks_it(
    service: Service, lab: LabClient, number: Numbers, open_page: OpenPage, screenshot: Any
) -> None:
    """Whoever opens the link then is told, and may link again."""
    shop, url = number(), await linkable(service, "removida")
    await lab.phone(shop, "Ana")
    page = await open_page(url)
    answer = await lab.scan(shop, await read(page))
    await expect(page.get_by_role("heading", name="WhatsApp conectado")).to_be_visible(timeout=LONG_MS)
    await lab.fault(answer["jid"], "removed")
    await in_reason(service, "removida", "logged_out")
    again = await open_page(url)
    await expect(again.get_by_text("O celular removeu a conexão anterior")).to_be_visible(timeout=LONG_MS)
    await screenshot(again, "pair-real-logged-out")
    assert await read(again)


async def test_a_connection_that_is_deleted(service: Service, open_page: OpenPage) -> None:
    """Its pairing ends with it, and its link leads nowhere, not even to another connection of the same name."""
    url = await linkable(service, "apagada")
    page = await open_page(url, console=["status of 404"])
    await read(page)
    await service.ask("DELETE", "/connections/apagada")
    await page.get_by_role("button", name="Mostrar um novo código").click(timeout=LONG_MS)
    await expect(page.get_by_role("heading", name="Este link não vale mais")).to_be_visible(timeout=LONG_MS)
    assert await linkable(service, "apagada") != url
    await page.reload()
    await expect(page.get_by_role("heading", name="Este link não vale mais")).to_be_visible(timeout=LONG_MS)
