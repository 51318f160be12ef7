"""The tenant's page in every state it can be in, in both languages, on a phone and a desk, by day and by night."""

from __future__ import annotations

from typing import Any

import pytest
from pages import DESKTOP, NARROWEST, PHONE
from told_pairing import TOKEN, Told, code, state

from connector.pairwatch import ConnectedNews, EndedNews, HeldUpNews, News

MASKED = "+55 11 •••••-0001"
LOOKS: dict[str, tuple[list[News], str, str]] = {
    "preparing": ([state("never_paired")], "Preparando o código", "Getting the code ready"),
    "code": ([state(), code(42)], "O código muda sozinho", "The code changes by itself"),
    "logged-out": ([state("logged_out"), state(), code(42)], "removeu a conexão anterior", "removed the connection"),
    "linking": ([state(), code(), state("linking")], "Celular vinculado", "Phone linked"),
    "connected": ([state(), code(), ConnectedNews("5511987650001")], "WhatsApp conectado", "WhatsApp is connected"),
    "already": ([state("connected"), ConnectedNews("5511987650001")], "já está conectado", "is connected already"),
    "ended": ([state(), code(), EndedNews("pairing_ended")], "O tempo para ler o código acabou", "time to scan"),
    "passkey": ([state(), EndedNews("passkey_required")], "chave de acesso", "asks for a passkey"),
    "outdated": ([state(), EndedNews("outdated")], "precisa ser atualizado", "needs an update"),
    "whatsapp-away": ([state(), EndedNews("whatsapp_unreachable")], "O WhatsApp não respondeu", "WhatsApp did not answer"),
    "fault": ([state(), EndedNews("fault")], "Algo deu errado", "Something went wrong"),
    "busy": ([state("never_paired"), HeldUpNews("busy")], "Muitas pessoas", "Many people are linking"),
    "disk": ([state("never_paired"), HeldUpNews("disk_full")], "sem espaço em disco", "out of disk space"),
    "engine": ([state("never_paired"), HeldUpNews("worker_gone")], "está se preparando", "is getting ready"),
    "stopped": ([state("stopped")], "Conexão parada a pedido", "stopped on request"),
    "banned": ([state("banned")], "O WhatsApp bloqueou este número", "WhatsApp has banned"),
    "gone": ([state(), EndedNews("gone")], "Este link não vale mais", "link is not valid"),
}  # fmt: skip


async def shown(serve: Any, open_page: Any, news: list[News], **wishes: Any) -> Any:
    """Open the page of a link that is told *news*."""
    url = await serve(Told(first=news).app())
    return await open_page(f"{url}/pair/{TOKEN}", **wishes)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("language", "width", "dark"), [("pt-BR", PHONE, False), ("en-US", DESKTOP, True)])
async def test_each_look(
    serve: Any, open_page: Any, axe: Any, screenshot: Any, look: str, language: str, width: int, dark: bool
) -> None:
    """The right words; nothing that somebody cannot use; nothing wider than the screen."""
    news, pt, en = LOOKS[look]
    page = await shown(serve, open_page, news, language=language, width=width, dark=dark)
    words = pt if language == "pt-BR" else en
    await page.get_by_text(words).first.wait_for(state="attached")
    await page.wait_for_function("words => document.querySelector('main').innerText.includes(words)", arg=words)
    await axe(page)
    await screenshot(page, f"pair-{look}-{language}-{width}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
