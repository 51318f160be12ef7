"""The tenant's page in every state it can be in, in both languages, on a phone and a desk, by day and by night."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import qr_reader
from aiohttp.test_utils import TestServer
from pages import DESKTOP, NARROWEST, PHONE
from told_pairing import CODE, LINK, Told, code, state

from connector.pairwatch import ConnectedNews, EndedNews, HeldUpNews, News
from connector.refusals import UnknownLink
from sessions.errors import Busy, EngineRefused, PairingEnded

MASKED = "+55 11 •••••-0001"
LOOKS: dict[str, tuple[Callable[[], list[News]], str, str]] = {
    "preparing": (lambda: [state("never_paired")], "Preparando o código", "Getting the code ready"),
    "code": (lambda: [state(), code(42)], "O código muda sozinho", "The code changes by itself"),
    "logged-out": (lambda: [state("logged_out"), state(), code(42)], "removeu a conexão anterior", "removed the connection"),
    "linking": (lambda: [state(), code(), state("linking")], "Celular vinculado", "Phone linked"),
    "connected": (lambda: [state(), code(), ConnectedNews("5511987650001")], "WhatsApp conectado", "WhatsApp is connected"),
    "already": (lambda: [state("connected"), ConnectedNews("5511987650001")], "já está conectado", "is connected already"),
    "ended": (lambda: [state(), code(), EndedNews("pairing_ended")], "O tempo para ler o código acabou", "time to scan"),
    "passkey": (lambda: [state(), EndedNews("passkey_required")], "chave de acesso", "asks for a passkey"),
    "outdated": (lambda: [state(), EndedNews("outdated")], "precisa ser atualizado", "needs an update"),
    "whatsapp-away": (lambda: [state(), EndedNews("whatsapp_unreachable")], "O WhatsApp não respondeu", "WhatsApp did not answer"),
    "fault": (lambda: [state(), EndedNews("fault")], "Algo deu errado", "Something went wrong"),
    "busy": (lambda: [state("never_paired"), HeldUpNews("busy")], "Muitas pessoas", "Many people are linking"),
    "disk": (lambda: [state("never_paired"), HeldUpNews("disk_full")], "sem espaço em disco", "out of disk space"),
    "engine": (lambda: [state("never_paired"), HeldUpNews("worker_gone")], "está se preparando", "is getting ready"),
    "stopped": (lambda: [state("stopped")], "Conexão parada a pedido", "stopped on request"),
    "banned": (lambda: [state("banned")], "O WhatsApp bloqueou este número", "WhatsApp has banned"),
    "gone": (lambda: [state(), EndedNews("gone")], "Este link não vale mais", "link is not valid"),
}  # fmt: skip


async def shown(serve: Any, open_page: Any, news: list[News], **wishes: Any) -> Any:
    """Open the page of a link that is told *news*."""
    url = await serve(Told(first=news).app())
    return await open_page(f"{url}/pair/{LINK}", **wishes)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("language", "width", "dark"), [("pt-BR", PHONE, False), ("en-US", DESKTOP, True)])
async def test_each_look(
    serve: Any, open_page: Any, axe: Any, screenshot: Any, look: str, language: str, width: int, dark: bool
) -> None:
    """The right words; nothing that somebody cannot use; nothing wider than the screen."""
    news, pt, en = LOOKS[look]
    page = await shown(serve, open_page, news(), language=language, width=width, dark=dark)
    words = pt if language == "pt-BR" else en
    await page.get_by_text(words).first.wait_for(state="attached")
    await page.wait_for_function("words => document.querySelector('main').innerText.includes(words)", arg=words)
    await axe(page)
    await screenshot(page, f"pair-{look}-{language}-{width}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("width", "dark"), [(NARROWEST, True), (PHONE, False), (DESKTOP, True)])
async def test_a_phone_can_read_the_code(serve: Any, open_page: Any, width: int, dark: bool) -> None:
    """Off the screen, with the white that scanners need around it, by day and by night."""
    page = await shown(serve, open_page, [state(), code()], width=width, dark=dark)
    assert qr_reader.from_picture(await page.locator("#qr").screenshot()) == CODE


async def test_the_code_refreshes_itself(serve: Any, open_page: Any) -> None:
    """The next takes the place of the one before; one that expired and has no next is not to be scanned."""
    told = Told(first=[state(), code(60)])
    page = await open_page(f"{await serve(told.app())}/pair/{LINK}")
    before = await page.locator("#qr").get_attribute("src")
    told.say(code(1.5, text="another", attempt=2))
    await page.wait_for_function("before => document.querySelector('#qr').src !== before", arg=before)
    assert qr_reader.from_picture(await page.locator("#qr").screenshot()) == "another"
    await page.get_by_text("Trocando o código").wait_for()
    assert await page.locator(".paper.stale").count() == 1
    told.say(code(60, text="a third", attempt=3))
    await page.get_by_text("O código muda sozinho em").wait_for()
    assert qr_reader.from_picture(await page.locator("#qr").screenshot()) == "a third"


async def test_the_check_mark_appears(serve: Any, open_page: Any) -> None:
    """From the code over the scan to done, each step said aloud; then the page asks for nothing more."""
    told = Told(first=[state(), code(60)])
    page = await open_page(f"{await serve(told.app())}/pair/{LINK}", still=False)
    aloud = page.get_by_role("status")
    await aloud.get_by_text("aponte para ele").wait_for(state="attached")
    told.say(state("linking"))
    await aloud.get_by_text("Celular vinculado").wait_for(state="attached")
    told.say(ConnectedNews("5511987650001"))
    await aloud.get_by_text("WhatsApp conectado").wait_for(state="attached")
    assert await page.get_by_text(MASKED).is_visible()
    assert await page.title() == "WhatsApp conectado · Vigia"
    assert told.looks == 1


async def test_by_keyboard_alone(serve: Any, open_page: Any, axe: Any, screenshot: Any) -> None:
    """From the top of the page to a code on the screen, with Tab and Enter; what has the focus is seen to have it."""
    told = Told(first=[state(), code(60)])
    page = await open_page(f"{await serve(told.app())}/pair/{LINK}", width=NARROWEST)
    await page.locator("#qr").wait_for()
    for name in ("Português", "English", "Ler QR code", "Usar código"):
        await page.keyboard.press("Tab")
        assert await focused(page) == name
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await page.keyboard.type("(11) 98765-4321")
    await page.keyboard.press("Enter")
    await page.get_by_text("ABCD-EFGH").first.wait_for()
    assert told.asked == ["5511987654321"]
    assert await page.get_by_role("status").inner_text() == "Código: A B C D - E F G H"
    await axe(page)
    await screenshot(page, f"pair-typed-pt-BR-{NARROWEST}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_pairing_that_is_over_is_begun_anew_by_keyboard(serve: Any, open_page: Any) -> None:
    """Nothing begins by itself; the button does, and the focus is not lost when it goes."""
    told = Told(first=[state(), code(60)])
    page = await open_page(f"{await serve(told.app())}/pair/{LINK}")
    await page.locator("#to-code").wait_for()  # what is not shown yet takes no focus
    await page.locator("#to-code").focus()
    told.say(EndedNews("pairing_ended"))
    await page.get_by_role("button", name="Mostrar um novo código").wait_for()
    assert await focused(page) == "O tempo para ler o código acabou"
    assert told.looks == 1
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.locator("#qr").wait_for()
    assert told.looks == 2
    assert await focused(page) == "Como vincular"


@pytest.mark.parametrize(
    ("error", "number", "words"),
    [
        (Busy(), "11987654321", "Muitos códigos foram pedidos"),
        (EngineRefused(), "11987654321", "não gerou um código para este número"),
        (PairingEnded(), "11987654321", "O código não veio desta vez"),
        (UnknownLink(), "11987654321", "Este link não vale mais"),
        (None, "12", "não parece completo"),
        (None, "", "Escreva o número"),
    ],
)
async def test_why_there_is_no_code_to_type(
    serve: Any, open_page: Any, axe: Any, screenshot: Any, error: Any, number: str, words: str
) -> None:
    """In words, beside the field, said aloud; gone once the number is mended."""
    told = Told(first=[state(), code(60)])
    told.typed = error or told.typed
    page = await open_page(
        f"{await serve(told.app())}/pair/{LINK}", width=PHONE, console=["status of 4", "status of 5"]
    )
    await page.get_by_role("button", name="Gere um código para digitar").click()
    await page.get_by_label("Número do WhatsApp").fill(number)
    await page.get_by_role("button", name="Gerar código").click()
    await page.get_by_role("alert").get_by_text(words).wait_for()
    await axe(page)
    if error is None:
        await screenshot(page, f"pair-wrong-number-{len(number)}")
        assert await page.locator("#number").get_attribute("aria-invalid") == "true"
    await page.get_by_label("Número do WhatsApp").press_sequentially("5")
    assert await page.get_by_role("alert").count() == 0


async def test_a_phone_that_cannot_scan_its_own_screen(serve: Any, open_page: Any, axe: Any, screenshot: Any) -> None:
    """Where the page is open on a phone, the code to type comes first; the QR code is one tap away."""
    page = await shown(serve, open_page, [state(), code(60)], width=PHONE, touch=True)
    await page.get_by_label("Número do WhatsApp").wait_for()
    assert await page.locator("#qr").is_hidden()
    await axe(page)
    await screenshot(page, "pair-touch-pt-BR-360")
    await page.get_by_role("button", name="Ler QR code").tap()
    assert qr_reader.from_picture(await page.locator("#qr").screenshot()) == CODE


async def test_the_other_language_is_kept(serve: Any, open_page: Any, screenshot: Any) -> None:
    """Chosen on the page it holds for the whole page at once, and for the next visit."""
    page = await shown(serve, open_page, [state(), code(60)], width=DESKTOP)
    await page.get_by_role("button", name="English").click()
    assert await page.get_by_role("heading", level=1).inner_text() == "Link WhatsApp"
    assert await page.locator("html").get_attribute("lang") == "en"
    await page.get_by_role("button", name="iPhone").click()
    await page.get_by_role("button", name="Use a code").click()
    await screenshot(page, "pair-iphone-code-en-1280")
    await page.reload()
    await page.get_by_text("The code changes by itself").wait_for()
    assert "Vincular" not in await page.locator("body").inner_text()


async def test_while_the_service_is_away(open_page: Any, screenshot: Any) -> None:
    """It is said, and the page goes on by itself when the service is back: nobody has to reload."""
    told = Told(first=[state(), code(60)])
    server = TestServer(told.app(), host="127.0.0.1")
    await server.start_server()
    port = server.port
    page = await open_page(f"{server.make_url('/pair/')}{LINK}", console=["ERR_"])
    await page.locator("#qr").wait_for()
    await server.close()
    await page.get_by_text("Sem contato com o serviço").wait_for()
    assert await page.locator(".paper.stale").count() == 1, "nobody should scan what nobody would notice"
    await screenshot(page, "pair-service-away")
    again = TestServer(told.app(), host="127.0.0.1", port=port)
    await again.start_server()
    try:
        await page.get_by_text("Sem contato com o serviço").wait_for(state="hidden")
        assert told.looks == 2
        assert await page.locator("#qr").is_visible()
    finally:
        await again.close()


async def test_a_link_that_never_was_or_is_over(serve: Any, open_page: Any, axe: Any, screenshot: Any) -> None:
    """The same words and the same answer: nobody learns which; also when it ends while somebody looks."""
    told = Told(first=[state(), code(60)], life_s=1.5)
    url = await serve(told.app())
    page = await open_page(f"{url}/pair/{LINK}", console=["status of 404"])
    await page.locator("#qr").wait_for()
    told.valid = False
    await page.get_by_text("Este link não vale mais").first.wait_for()
    never = await open_page(f"{url}/pair/never-was", language="en", console=["status of 404"])
    await never.get_by_role("heading", name="This link is not valid any more").wait_for()
    assert await never.locator("#name").is_hidden()
    await axe(never)
    await screenshot(never, "pair-link-over-en-1280")
    answers = [await never.request.get(f"{url}/pair/{token}/events") for token in (LINK, "never-was")]
    bodies = [await answer.json() for answer in answers]
    assert [answer.status for answer in answers] == [404, 404]
    assert {body["detail"] for body in bodies} == {UnknownLink.__doc__}


async def test_too_many_pages_of_one_link(serve: Any, open_page: Any) -> None:
    """The fifth says so, and takes the place of one that is closed."""
    told = Told(first=[state(), code(60)])
    url = f"{await serve(told.app())}/pair/{LINK}"
    pages = [await open_page(url) for _ in range(4)]
    for page in pages:
        await page.locator("#qr").wait_for()
    fifth = await open_page(url, console=["status of 429"])
    await fifth.get_by_text("aberta em muitos lugares").wait_for()
    await pages[0].close()
    told.say(*[None] * 40)  # what is written to a page that is gone shows that it is
    await fifth.locator("#qr").wait_for()
    assert await fifth.get_by_text("aberta em muitos lugares").is_hidden()


async def focused(page: Any) -> str:
    """Answer what a screen reader would name."""
    return await page.evaluate("document.activeElement.textContent.trim()")
