"""The operator's page in a browser, over a service that is told how it is: signing in, looking, doing, and what goes wrong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pages import DESKTOP, NARROWEST, PHONE, OpenPage
from playwright.async_api import Locator, Page, expect
from told_service import KEY, Told

from sessions.state import Reason

LONG_MS = 20_000
LONG_NAME = "Supermercado e Distribuidora de Bebidas Irmãos Albuquerque & Filhos Ltda. (filial do aeroporto)"
QUIET = ["401", "429", "ERR_", "Failed to load resource"]
"""A browser writes refused requests into its console by itself."""


@pytest.fixture
def told() -> Told:
    """A service with some of everything."""
    told = Told()
    told.have("loja-centro", "Loja Centro")
    told.have("loja-norte", "Loja Norte", Reason.RECONNECTING, heard_s=95)
    told.have("suporte", "Suporte", Reason.LOGGED_OUT, heard_s=3 * 86_400)
    told.have("financeiro", "Financeiro", Reason.NEVER_PAIRED, None, None)
    told.have("filial-aeroporto-" + "x" * 40, LONG_NAME, Reason.BANNED, heard_s=7_200)
    told.have("vendas", "Vendas", heard_s=0.2)
    told.sink("record")
    told.sink("webhook", "waiting", "https://crm.example.com answers 503.", waiting=1_204, oldest_s=260, dead=3)
    return told


async def sign_in(page: Page, key: str = KEY) -> None:
    await page.locator("#key").fill(key)
    await page.locator("#key").press("Enter")


async def signed_in(open_page: OpenPage, url: str, **wishes: Any) -> Page:
    page = await open_page(url, console=QUIET, **wishes)
    await sign_in(page)
    await expect(page.locator("#desk")).to_be_visible(timeout=LONG_MS)
    return page


def row(page: Page, connection_id: str) -> Locator:
    return page.locator("tbody tr").filter(has=page.locator(".id", has_text=re.compile(f"^{connection_id}$")))


async def no_sideways(page: Page) -> None:
    """Nothing sticks out of the window."""
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize(
    ("language", "width", "dark"),
    [("pt-BR", DESKTOP, False), ("en-US", DESKTOP, True), ("pt-BR", PHONE, True), ("en-US", NARROWEST, False)],
)
async def test_how_it_looks(
    told: Told, serve: Any, open_page: OpenPage, axe: Any, screenshot: Any, language: str, width: int, dark: bool
) -> None:
    """In both languages, wide and narrow, light and dark: usable by everybody, and nothing sticks out."""
    told.reasons = (("sink_webhook", "https://crm.example.com answers 503. (1204 rows wait)"),)
    told.lab = True
    url = await serve(told.app())
    name = f"operator-{language[:2]}-{width}-{'dark' if dark else 'light'}"
    page = await open_page(url, language=language, width=width, dark=dark)
    await expect(page.locator("#key")).to_be_focused()
    await axe(page)
    await screenshot(page, f"{name}-signin")
    await sign_in(page)
    await expect(page.locator("tbody tr")).to_have_count(6, timeout=LONG_MS)
    await expect(page.locator("html")).to_have_attribute("lang", "pt-BR" if language == "pt-BR" else "en")
    await axe(page)
    await no_sideways(page)
    await screenshot(page, name)
    for opener, dialog in (("#add", "add"), (".link:visible", "link"), (".remove:visible", "remove")):
        await page.locator(opener).first.click()
        await expect(page.locator(f"#{dialog}-dialog")).to_be_visible(timeout=LONG_MS)
        await axe(page)
        await screenshot(page, f"{name}-{dialog}")
        await page.keyboard.press("Escape")
    await page.locator("#add").click()
    await page.locator("#add-form .primary").click()
    await axe(page)
    await screenshot(page, f"{name}-add-wrong")


async def test_what_a_row_says(told: Told, serve: Any, open_page: OpenPage) -> None:
    """Name, id, masked number, state with its sentence in the reader's language, age of the last event."""
    page = await signed_in(open_page, await serve(told.app()))
    lost = row(page, "loja-norte")
    await expect(lost).to_contain_text("+55 ••••• 4321")
    await expect(lost).not_to_contain_text("5511987654321")
    await expect(lost).to_contain_text("A conexão caiu: reconectando.")
    await expect(lost.locator("time")).to_have_text(re.compile("^há 1 min"))
    await expect(row(page, "financeiro").locator("time")).to_have_text("nenhum")
    await page.get_by_role("button", name="English").click()
    await expect(lost).to_contain_text("The connection dropped: connecting again.")
    await expect(page.get_by_role("button", name="New connection")).to_be_visible()
    await expect(page.locator("#queues")).to_contain_text("1,204")
    await page.reload()
    await expect(page.get_by_role("heading", name="Connections")).to_be_visible()
    await expect(row(page, "loja-norte")).to_contain_text("The connection dropped", timeout=LONG_MS)


async def test_a_wrong_key_is_told_and_the_right_one_stays_in_the_tab(
    told: Told, serve: Any, open_page: OpenPage, screenshot: Any
) -> None:
    """Never in the address, in a cookie, or where the next tab finds it; signing out forgets it."""
    url = await serve(told.app())
    page = await open_page(url, console=QUIET)
    await page.locator("#key").press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("Digite a chave.")
    await sign_in(page, "wrong")
    await expect(page.get_by_role("alert")).to_have_text("Esta chave não é válida.", timeout=LONG_MS)
    await expect(page.locator("#key")).to_be_focused()
    await screenshot(page, "operator-wrong-key")
    await sign_in(page)
    await expect(page.locator("tbody tr")).to_have_count(6, timeout=LONG_MS)
    assert page.url == f"{url}/"
    assert await page.context.cookies() == []
    assert KEY not in await page.evaluate("JSON.stringify({...localStorage})")
    await page.reload()
    await expect(page.locator("tbody tr")).to_have_count(6, timeout=LONG_MS)
    await page.get_by_role("button", name="Sair").click()
    await expect(page.locator("#key")).to_be_focused()
    assert await page.evaluate("sessionStorage.length") == 0
    await expect(page.locator("tbody tr")).to_have_count(0)


async def test_news_come_by_themselves_and_take_no_focus(told: Told, serve: Any, open_page: OpenPage) -> None:
    """Rows change, come and go under a reader who stays where they are."""
    page = await signed_in(open_page, await serve(told.app()))
    button = row(page, "vendas").locator(".restart")
    await button.focus()
    told.have("loja-norte", "Loja Norte")
    told.have("nova", "Nova")
    del told.views["financeiro"]
    await expect(row(page, "loja-norte").locator(".badge")).to_have_text("Conectada", timeout=LONG_MS)
    await expect(row(page, "nova")).to_be_visible()
    await expect(row(page, "financeiro")).to_have_count(0)
    await expect(button).to_be_focused()


async def test_the_book_of_what_was_done(
    told: Told, serve: Any, open_page: OpenPage, axe: Any, screenshot: Any
) -> None:
    """Closed until somebody wants it; then in the reader's language, with what is new, and older parts when asked for."""
    for number in range(30):
        told.did(
            "watchdog", "reconnect", f"loja-{number}", "Session loja has been deaf for 200 s with no next try planned."
        )
    told.did("operator", "delete", "velha", "asked for over the API")
    page = await signed_in(open_page, await serve(told.app()))
    entries = page.locator("#book li")
    await expect(page.locator("#book-section")).not_to_have_attribute("open", "")
    await expect(entries).to_have_count(0)
    await page.get_by_text("O que foi feito").click()
    await expect(entries).to_have_count(20, timeout=LONG_MS)
    await expect(entries.first).to_contain_text("Operador: excluiu a conexão velha")
    await expect(entries.first).to_contain_text("Pedido pela API.")
    await expect(entries.nth(1)).to_contain_text("A conexão loja está em deaf há 200 s")
    await axe(page)
    await screenshot(page, "operator-book")
    told.did("housekeeping", "expire", "webhook", "3 dead letters were older than 30 days")
    told.did("watchdog", "restart_postgres", "database", "The database has not answered for 60 s.", done=False)
    await expect(entries).to_have_count(22, timeout=LONG_MS)
    await expect(entries.first.locator(".badge")).to_have_text("não deu certo")
    await page.get_by_role("button", name="Mais antigos").click()
    await expect(entries).to_have_count(33, timeout=LONG_MS)
    await expect(entries.last).to_contain_text("loja-0")
    await expect(page.get_by_role("button", name="Mais antigos")).to_be_hidden()
    await page.get_by_role("button", name="English").click()
    await expect(entries.nth(1)).to_contain_text("Housekeeping: discarded old refused rows for webhook")
    await page.get_by_role("button", name="Sign out").click()
    await expect(entries).to_have_count(0)


async def test_an_empty_book(told: Told, serve: Any, open_page: OpenPage) -> None:
    """Says so."""
    page = await signed_in(open_page, await serve(told.app()))
    await page.get_by_text("O que foi feito").click()
    await expect(page.locator("#book-empty")).to_be_visible(timeout=LONG_MS)
    await expect(page.get_by_role("button", name="Mais antigos")).to_be_hidden()


async def test_restart(told: Told, serve: Any, open_page: OpenPage) -> None:
    """Asked for by a button that says for whom, and told."""
    page = await signed_in(open_page, await serve(told.app()))
    await page.get_by_role("button", name="Reiniciar Loja Centro").click()
    await expect(page.locator("#said")).to_have_text("Loja Centro: reconectando.", timeout=LONG_MS)
    await expect(row(page, "loja-centro").locator(".badge")).to_have_text("Conectando", timeout=LONG_MS)
    assert ("restart", "loja-centro") in told.asked
    for unpaired in ("suporte", "financeiro"):
        await expect(row(page, unpaired).locator(".restart")).to_be_hidden()
        await expect(row(page, unpaired).locator(".link")).to_be_visible()
    told.full = True
    await page.get_by_role("button", name="Reiniciar Vendas").click()
    await expect(page.locator("#said")).to_have_text("O disco está quase cheio: libere espaço.", timeout=LONG_MS)


async def test_a_link_to_the_pairing_page(told: Told, serve: Any, open_page: OpenPage) -> None:
    """Shown with whom it is for and until when, to be copied or opened."""
    url = await serve(told.app())
    page = await signed_in(open_page, url)
    await page.get_by_role("button", name="Vincular celular a Financeiro").click()
    opened = page.get_by_role("link", name="Abrir")
    await expect(opened).to_be_focused(timeout=LONG_MS)
    assert (await opened.get_attribute("href") or "").startswith(f"{url}/pair/T0ken-")
    await expect(page.locator("#link-dialog")).to_contain_text("vincula um celular a Financeiro")
    await page.get_by_role("button", name="Copiar").click()
    await expect(page.locator("#said")).to_have_text(re.compile("copi"), timeout=LONG_MS)


async def test_a_new_connection(told: Told, serve: Any, open_page: OpenPage) -> None:
    """What is missing is said at its field; the id follows the name; then its link is there at once."""
    page = await signed_in(open_page, await serve(told.app()))
    await page.get_by_role("button", name="Nova conexão").click()
    await page.get_by_role("button", name="Criar").click()
    await expect(page.locator("#new-name-wrong")).to_have_text("Preencha este campo.")
    await expect(page.locator("#new-name")).to_be_focused()
    await page.locator("#new-name").fill("Açaí do Zé")
    await expect(page.locator("#new-id")).to_have_value("acai-do-ze")
    await page.locator("#new-owner").fill("user-1")
    await page.locator("#new-id").fill("vendas")
    await page.get_by_role("button", name="Criar").click()
    await expect(page.locator("#new-id-wrong")).to_have_text("Já existe uma conexão com este id.", timeout=LONG_MS)
    await page.locator("#new-id").fill("a b")
    await page.get_by_role("button", name="Criar").click()
    await expect(page.locator("#new-id-wrong")).to_have_text(re.compile("^Só letras"))
    await page.locator("#new-id").fill("acai")
    await page.locator("#new-id").press("Enter")
    await expect(page.locator("#link-dialog")).to_be_visible(timeout=LONG_MS)
    assert told.asked[-2:] == [("create", "acai", "Açaí do Zé", "user-1"), ("link", "acai")]
    await page.keyboard.press("Escape")
    await expect(row(page, "acai")).to_be_visible()


async def test_a_connection_is_deleted_only_on_second_thought(told: Told, serve: Any, open_page: OpenPage) -> None:
    """The first button that is met is the one that does nothing."""
    told.listed = True
    page = await signed_in(open_page, await serve(told.app()))
    await page.get_by_role("button", name="Excluir Suporte").click()
    await expect(page.get_by_role("button", name="Cancelar")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#remove-dialog")).to_be_hidden()
    await expect(page.get_by_role("button", name="Excluir Suporte")).to_be_focused()
    assert told.asked == []
    await page.keyboard.press("Enter")
    await page.get_by_role("dialog").get_by_role("button", name="Excluir").click()
    await expect(row(page, "suporte")).to_have_count(0, timeout=LONG_MS)
    await expect(page.locator("#said")).to_have_text(re.compile("remova o aparelho no celular"))
    await expect(page.get_by_role("button", name="Excluir Financeiro")).to_be_focused()


async def test_nothing_yet(serve: Any, open_page: OpenPage, axe: Any, screenshot: Any) -> None:
    """A newcomer is told what to do first."""
    told = Told()
    told.sink("record")
    page = await signed_in(open_page, await serve(told.app()))
    await expect(page.get_by_role("heading", name="Nenhuma conexão ainda")).to_be_visible()
    await axe(page)
    await screenshot(page, "operator-empty")
    await page.locator("#add-first").click()
    await expect(page.locator("#new-name")).to_be_focused()


async def test_a_service_that_waits_to_be_started(
    told: Told, serve: Any, open_page: OpenPage, axe: Any, screenshot: Any
) -> None:
    """Nothing is shown that is not there yet, but the button that starts it."""
    told.asleep = True
    page = await signed_in(open_page, await serve(told.app()))
    await expect(page.get_by_role("heading", name="O serviço espera ser iniciado")).to_be_visible(timeout=LONG_MS)
    await expect(page.locator("#add")).to_be_hidden()
    await axe(page)
    await screenshot(page, "operator-asleep")
    await page.get_by_role("button", name="Iniciar").click()
    await expect(page.locator("tbody tr")).to_have_count(6, timeout=LONG_MS)
    await expect(page.locator("#asleep")).to_be_hidden()


async def test_many(serve: Any, open_page: OpenPage, screenshot: Any) -> None:
    """More than a page of the API: all are shown, and can be narrowed down."""
    told = Told()
    for number in range(620):
        told.have(f"c{number:03}", f"Loja {number}", Reason.DEAF if number % 200 == 7 else Reason.CONNECTED)
    page = await signed_in(open_page, await serve(told.app()))
    await expect(page.locator("tbody tr")).to_have_count(620, timeout=LONG_MS)
    await page.get_by_role("button", name="Com erro 4").click()
    await expect(page.locator("tbody tr")).to_have_count(4)
    await screenshot(page, "operator-errors-of-many")
    await page.locator("#search").fill("Loja 607")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.locator("#search").fill("nobody")
    await expect(page.get_by_text("Nenhuma conexão com este filtro.")).to_be_visible()


async def test_a_service_that_is_away(told: Told, serve: Any, open_page: OpenPage, axe: Any, screenshot: Any) -> None:
    """What is known stays, marked as old; the page comes back by itself, or at once when asked."""
    page = await signed_in(open_page, await serve(told.app()))
    await expect(page.locator("tbody tr")).to_have_count(6, timeout=LONG_MS)
    await page.route("**/api/**", lambda route: route.abort())
    await expect(page.locator("#away")).to_be_visible(timeout=LONG_MS)
    await expect(page.locator("#away")).to_contain_text("O serviço não responde")
    await expect(page.locator("tbody tr")).to_have_count(6)
    await axe(page)
    await screenshot(page, "operator-away")
    await page.unroute("**/api/**")
    await page.get_by_role("button", name="Tentar agora").click()
    await expect(page.locator("#away")).to_be_hidden(timeout=LONG_MS)


async def test_a_service_that_is_away_at_the_door(told: Told, serve: Any, open_page: OpenPage) -> None:
    """The key was not wrong: that is said."""
    page = await open_page(await serve(told.app()), console=QUIET)
    await page.route("**/api/**", lambda route: route.abort())
    await sign_in(page)
    await expect(page.get_by_role("alert")).to_contain_text("O serviço não responde", timeout=LONG_MS)


async def test_a_key_that_ends_while_the_page_is_open(told: Told, serve: Any, open_page: OpenPage) -> None:
    """The page signs out, and does not go on asking with it."""
    page = await signed_in(open_page, await serve(told.app()))
    asked: list[str] = []
    await page.route("**/api/**", lambda route: route.continue_(headers={**route.request.headers, "x-api-key": "old"}))
    await expect(page.get_by_role("alert")).to_have_text("A chave deixou de valer: informe a atual.", timeout=LONG_MS)
    page.on("request", lambda request: asked.append(request.url))
    await page.evaluate("new Promise((done) => setTimeout(done, 3500))")  # longer than its pause between questions
    assert asked == []


async def test_by_keyboard_alone(told: Told, serve: Any, open_page: OpenPage) -> None:
    """From the door to a restart, without a mouse."""
    page = await open_page(await serve(told.app()), console=QUIET)
    await page.keyboard.type(KEY)
    await page.keyboard.press("Enter")
    await expect(page.locator("#main")).to_be_focused(timeout=LONG_MS)
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.matches('.restart')"):
            break
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_have_text(re.compile("reconectando"), timeout=LONG_MS)


async def test_troubles_and_queues(told: Told, serve: Any, open_page: OpenPage, screenshot: Any) -> None:
    """What is wrong is said first; what is parked says why."""
    told.reasons = (("database", "The database has not answered for 4 minutes."),)
    told.away_s = 250
    told.sinks.clear()
    told.sink("record", "parked", "The password is not accepted: mend DATABASE_URL.", waiting=90_000, oldest_s=9_000)
    told.sink("webhook", waiting=40, oldest_s=60)
    told.unprocessed = 3
    page = await signed_in(open_page, await serve(told.app()))
    await expect(page.locator("#troubles")).to_contain_text("has not answered for 4 minutes")
    await expect(page.locator("#queues li").first).to_contain_text("Parada")
    await expect(page.locator("#queues li").first).to_contain_text("90.000")
    await expect(page.locator("#queues li").last).to_contain_text("Entregando")
    await expect(page.locator("#figures")).to_contain_text("fora há 4 min")
    await expect(page.locator("#figures .alarm", has_text="vigia dead list")).to_contain_text("3 falharam")
    await screenshot(page, "operator-troubles")


async def test_the_metrics_open_although_a_link_carries_no_key(told: Told, serve: Any, open_page: OpenPage) -> None:
    """As on every address that is not the machine's own, where they want the key."""
    page = await signed_in(open_page, await serve(told.app()))
    await page.locator("#metrics").click()
    await page.wait_for_url("blob:**", timeout=LONG_MS)
    await expect(page.locator("body")).to_contain_text("vigia_told 1")


async def test_what_is_wrong_in_the_readers_language(
    told: Told, serve: Any, open_page: OpenPage, axe: Any, screenshot: Any
) -> None:
    """Known sentences in Portuguese, with their values; unknown ones as the service says them, marked as English."""
    refused = "The webhook's receiver does not let us in: check WEBHOOK_SECRET on both sides, and the address in WEBHOOK_URL (401)."
    told.sinks.clear()
    told.sink("record")
    told.sink("webhook", "parked", refused, waiting=12, oldest_s=90)
    told.reasons = (("sink_webhook", f"{refused} (12 rows wait)"), ("news", "Something new."))
    told.findings = (
        ("sink_parked", f"The sink webhook is parked, 12 rows wait: {refused}"),
        ("disk_low", "The disk has 150 MB left: under 100 MB sessions disconnect."),
    )
    page = await signed_in(open_page, await serve(told.app()))
    troubles = page.locator("#troubles li")
    await expect(troubles).to_have_count(3, timeout=LONG_MS)
    await expect(troubles.nth(0)).to_have_text(
        re.compile("^Webhook: O receptor do webhook não nos deixa entrar.*401.*12")
    )
    await expect(troubles.nth(1)).to_have_text("Something new.")
    await expect(troubles.nth(1)).to_have_attribute("lang", "en")
    await expect(troubles.nth(2)).to_have_text(re.compile("Restam 150 MB no disco: abaixo de 100 MB"))
    await expect(page.locator("#queues .reason").last).to_have_text(
        re.compile("^O receptor do webhook não nos deixa entrar")
    )
    assert await troubles.nth(0).get_attribute("lang") is None
    await axe(page)
    await screenshot(page, "operator-wrong-pt")
    await page.get_by_role("button", name="English").click()
    await expect(troubles.nth(0)).to_have_text(f"Webhook: {refused} (12 rows wait)")
    told.findings = told.reasons = ()
    await expect(troubles).to_have_count(0, timeout=LONG_MS)


@pytest.mark.parametrize("width", [DESKTOP, NARROWEST])
async def test_what_is_known_of_a_connection(
    told: Told, serve: Any, open_page: OpenPage, axe: Any, screenshot: Any, width: int
) -> None:
    """Opened in its row, kept up to date while it is open, and closed again."""
    page = await signed_in(open_page, await serve(told.app()), width=width)
    lost = row(page, "loja-norte")
    facts = lost.locator(".truth")
    await facts.locator("summary").click()
    await expect(facts).to_contain_text("Ligada ao WhatsApp", timeout=LONG_MS)
    await expect(facts).to_contain_text("w0, no ar")
    await expect(facts).to_contain_text("12 s")
    await axe(page)
    await no_sideways(page)
    await screenshot(page, f"operator-truth-{width}")
    told.have("loja-norte", "Loja Norte")
    await expect(facts.locator("div", has_text="Ligada ao WhatsApp")).to_contain_text("sim", timeout=LONG_MS)
    await page.get_by_role("button", name="English").click()
    await expect(facts).to_contain_text("Connected to WhatsApp")
    await facts.locator("summary").click()
    await expect(facts.locator("dl")).to_be_hidden()
