"""The pages and their files: found, never more than those, safe to show, kept as long as they are the same."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from connector.api.assets import Assets
from connector.api.health import Health
from connector.api.operator import Operator
from connector.api.server import make_app
from connector.portrait import WITHOUT_SESSION
from sessions.state import Reason

Client = TestClient[web.Request, web.Application]


def planted(folder: Path) -> Path:
    """Answer a folder of pages, with a file beside it that nobody may see."""
    for name, text in {
        "web/page/index.html": '<html lang="{{language}}"><script type="module" src="{{assets}}/page/page.js"></script>',
        "web/page/page.js": 'import "../common/a.js";',
        "web/common/a.js": "export const a = 1;",
        "web/common/note.txt": "not a file that pages load",
        "secret.js": "outside",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "web"


class Page:
    """A page at `/page`."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/page", self.show)

    def opens(self, path: str) -> bool:
        return path == "/page"

    async def show(self, request: web.Request) -> web.Response:
        return self._assets.page("page", request, status=410 if "gone" in request.query else 200)


def served(assets: Assets, *more: Any) -> TestClient[web.Request, web.Application]:
    app = make_app(key="planted", health_of=Health(lab=True, sessions=lambda: 0), pages=(assets, Page(assets), *more))
    return TestClient(TestServer(app))


@pytest.fixture
async def assets(tmp_path: Path) -> Assets:
    """Have the planted ones."""
    return Assets.read(planted(tmp_path))


@pytest.fixture
async def browser(assets: Assets) -> AsyncIterator[Client]:
    """Ask without a key."""
    async with served(assets) as made:
        yield made


async def test_a_page_and_what_it_loads(browser: Client, assets: Assets) -> None:
    """Without a key; the files for ever, the page never."""
    page = await browser.get("/page")
    assert (page.status, page.content_type, page.headers["Cache-Control"]) == (200, "text/html", "no-store")
    [address] = re.findall(r'src="([^"]+)"', await page.text())
    assert address == f"{assets.base}/page/page.js"
    file = await browser.get(address)
    assert (file.status, file.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert await file.text() == 'import "../common/a.js";'
    assert "immutable" in file.headers["Cache-Control"]
    for answer in (page, file):
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
    gone = await browser.get("/page?gone")
    assert (gone.status, gone.content_type) == (410, "text/html")


async def test_a_file_that_is_known_is_not_sent_again(browser: Client, assets: Assets) -> None:
    """Its tag is its content's."""
    address = f"{assets.base}/common/a.js"
    tag = (await browser.get(address)).headers["ETag"]
    again = await browser.get(address, headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
    other = await browser.get(address, headers={"If-None-Match": '"other"'})
    assert other.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "{base}/../secret.js",
        "{base}/..%2Fsecret.js",
        "{base}/%2e%2e/secret.js",
        "{base}//etc/passwd",
        "{base}/common/note.txt",
        "{base}/page/index.html",
        "{base}/common/",
        "{base}/common/a.js/",
        "{base}/common/a.js%00",
        "/assets/0000/common/a.js",
        "/assets/common/a.js",
    ],
)
async def test_no_other_file_is_ever_sent(browser: Client, assets: Assets, path: str) -> None:
    """Addresses are looked up in a table; none of them touches the disk."""
    answer = await browser.get(path.format(base=assets.base))
    assert answer.status in (401, 404)  # 401 where the address leaves the folder of public ones
    assert answer.content_type == "application/problem+json"


async def test_what_changes_has_another_address(tmp_path: Path) -> None:
    """So that nothing old is shown beside something new."""
    folder = planted(tmp_path)
    before = Assets.read(folder).base
    assert Assets.read(folder).base == before
    (folder / "common/a.js").write_text("export const a = 2;", "utf-8")
    assert Assets.read(folder).base != before


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt-BR"),
        ("pt-PT", "pt-BR"),
        ("PT-br", "pt-BR"),
        ("en-US,en;q=0.9,pt;q=0.8", "en"),
        ("de,pt;q=0.5,en;q=0.4", "pt-BR"),
        ("de;q=0.9, fr", "en"),
        ("en;q=0,pt;q=0.1", "pt-BR"),
        ("pt;q=x,en;q=0.1", "en"),
        ("*", "en"),
        (",;q=,;;,", "en"),
        ("pt;q=0", "en"),
        ("", "en"),
    ],
)
async def test_the_browsers_language(browser: Client, asked: str, told: str) -> None:
    """Portuguese or English, whichever is wanted more."""
    answer = await browser.get("/page", headers={"Accept-Language": asked})
    assert (answer.headers["Content-Language"], answer.headers["Vary"]) == (told, "Accept-Language")
    assert f'<html lang="{told}">' in await answer.text()


async def test_the_pages_of_this_service() -> None:
    """Each one's files are all there, and nothing in it would be refused by its own policy."""
    assets = Assets.read()
    async with served(assets, Operator(assets)) as browser:
        page = await browser.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
        text = await page.text()
        addresses = re.findall(r'(?:src|href)="(/assets/[^"]+)"', text)
        assert addresses
        for address in addresses:
            assert (await browser.get(address)).status == 200, address
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|https?://(?!www\.w3\.org)", text)
        told = await (await browser.get("/", headers={"Accept": "application/json"})).json()
        assert told["docs"] == "/docs"


def test_the_page_knows_what_every_reason_means() -> None:
    """In the service's own English; the API says it in Portuguese. One is no session's: the connection has none."""
    page = (Path(__file__).parents[3] / "web/operator/reasons.js").read_text("utf-8")
    told = dict(re.findall(r'^  (\w+): ("[^"]*"),$', page, re.MULTILINE))
    assert told.pop(WITHOUT_SESSION)
    assert {code: json.loads(text) for code, text in told.items()} == {
        one.code: one.value.en.replace("{detail}", "") for one in Reason
    }


@pytest.mark.parametrize("name", [path.parent.name for path in (Path(__file__).parents[3] / "web").glob("*/texts.js")])
def test_both_languages_have_the_same_words(name: str) -> None:
    """A word that one of them lacks would be said in the other, or not at all."""
    text = (Path(__file__).parents[3] / f"web/{name}/texts.js").read_text("utf-8")
    halves = re.split(r"^  en: \{$", text, flags=re.MULTILINE)
    words = [re.findall(r"^    (\w+):", half, re.MULTILINE) for half in halves]
    assert len(words) == 2
    assert sorted(words[0]) == sorted(words[1])
    assert len(words[0]) > 5
