"""The demonstration's page, clicked through as a newcomer does, on the real thing: `./scripts/run --lab`."""

from __future__ import annotations

import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from lab_run import Run, end, free_port, running
from pages import NARROWEST, OpenPage
from playwright.async_api import Page, expect

LONG_MS = 90_000


@pytest.fixture
def run(own_folder: Path) -> Generator[Run]:
    """All of it, as it is at the first start."""
    with running(free_port()) as run:
        yield run


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def steps_done(page: Page, count: int) -> None:
    await expect(page.locator("[data-step][data-done]")).to_have_count(count, timeout=LONG_MS)


async def test_every_step_is_a_click(run: Run, open_page: OpenPage, axe: Any, screenshot: Any) -> None:
    """A code, a scan, a text, its atendimento, an answer, its ticks: and nothing had to be typed."""
    page = await open_page(run.page, language="en-US", console=["ERR_CONNECTION_REFUSED"])  # at the end
    scan = page.get_by_role("button", name="Scan with Ana's phone")
    await expect(scan).to_be_enabled(timeout=LONG_MS)
    await expect(page.get_by_role("img", name="QR code to link the phone")).to_be_visible()
    await axe(page)
    await screenshot(page, "lab-begin-en")
    await the_link_a_tenant_gets(page, open_page)
    await scan.click()
    await steps_done(page, 1)
    await page.get_by_role("button", name="Send", exact=True).click()
    await steps_done(page, 3)
    await expect(page.locator("#messages")).to_contain_text("Do you have corn cake?")
    await page.get_by_role("button", name="Answer", exact=True).click()
    await expect(page.locator("#screen")).to_contain_text("We do!", timeout=LONG_MS)
    await page.get_by_role("button", name="Bruno opens the chat").click(timeout=LONG_MS)
    await steps_done(page, 5)
    await expect(page.get_by_role("status")).to_have_text(re.compile("^Done!"))
    await expect(page.locator("#messages").get_by_role("img", name="read", exact=True)).to_be_visible()
    await axe(page)
    await screenshot(page, "lab-end-en")
    await everywhere_else(run, open_page, axe, screenshot)
    end(run)
    await expect(page.get_by_role("alert")).to_contain_text("does not answer", timeout=LONG_MS)


async def the_link_a_tenant_gets(page: Page, open_page: OpenPage) -> None:
    """It leads to the service's own page, which shows the same pairing's code."""
    await page.get_by_role("button", name="Make the link that a tenant gets").click()
    link = await page.get_by_role("link", name="Open the tenant's page").get_attribute("href", timeout=LONG_MS)
    assert link is not None
    assert "/pair/" in link
    tenant = await open_page(link)
    await expect(tenant.locator("main")).to_contain_text("WhatsApp", timeout=LONG_MS)
    await tenant.close()


async def everywhere_else(run: Run, open_page: OpenPage, axe: Any, screenshot: Any) -> None:
    """The same in Portuguese, on a small phone, at night; a language that is chosen stays."""
    page = await open_page(run.page, language="pt-BR", width=NARROWEST, dark=True)
    await steps_done(page, 5)
    assert await page.title() == "Vigia: demonstração"
    assert await page.evaluate("document.documentElement.scrollWidth") <= NARROWEST
    await axe(page)
    await screenshot(page, "lab-end-pt-dark-narrow")
    await page.get_by_role("button", name="English").click()
    await page.reload()
    await expect(page.get_by_role("heading", level=1)).to_have_text("The whole job, by clicks")
    await page.close()
