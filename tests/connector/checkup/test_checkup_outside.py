"""The steps that look outside: WhatsApp (the local one), the webhook's receiver, the clocks of both."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from vigia_command import free_port

from connector import checkup
from connector.checkup import Finding, Ground, Status, outside
from connector.settings import LAB_NAMES
from lab.client import Place, lab_process

LOCAL = "http://127.0.0.1:{}"


async def looked(*names: str) -> dict[str, Finding]:
    """Take the steps of these *names*, after the two that all of them need."""
    async with Ground() as ground:
        steps = [one for one in checkup.STEPS if one.name in ("settings", "folder", *names)]
        return {one.name: one.finding async for one in checkup.run(steps, ground)}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """Run a local WhatsApp."""
    with lab_process(log=tmp_path_factory.mktemp("lab") / "lab.log") as place:
        yield place


def in_lab_mode(monkeypatch: pytest.MonkeyPatch, proxy: str, ca: Path, root_key: str) -> None:
    for name, value in zip(LAB_NAMES, (proxy, str(ca), root_key), strict=True):
        monkeypatch.setenv(name, value)


async def test_the_local_whatsapp_answers(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    in_lab_mode(monkeypatch, place.proxy, place.ca, place.root_key)
    found = (await looked("whatsapp"))["whatsapp"]
    assert found.status is Status.OK, found
    assert found.detail == f"the local WhatsApp at {place.proxy} answers"


async def test_the_local_whatsapp_is_away(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    in_lab_mode(monkeypatch, LOCAL.format(free_port()), place.ca, place.root_key)
    found = (await looked("whatsapp"))["whatsapp"]
    assert found.status is Status.FAIL
    assert found.remedy.startswith("Start it with `python -m lab`")


async def test_somebody_opens_the_traffic(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever answers for WhatsApp with a certificate of its own: here the local one, whose authority nobody was told to trust."""
    monkeypatch.setenv("HTTPS_PROXY", place.proxy)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    found = (await looked("whatsapp"))["whatsapp"]
    assert found.status is Status.FAIL
    assert found.detail.startswith("web.whatsapp.com is not trusted through the proxy (")


async def test_the_real_whatsapp_through_a_proxy(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a company's proxy that everything has to go through, whose authority the machine trusts."""
    monkeypatch.setenv("HTTPS_PROXY", place.proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(place.ca))
    assert (await looked("whatsapp"))["whatsapp"] == checkup.fine("web.whatsapp.com answers through the proxy")


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_away(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}://127.0.0.1:{free_port()}")
    found = (await looked("whatsapp"))["whatsapp"]
    assert found.status is Status.FAIL
    assert found.detail == "web.whatsapp.com cannot be reached through the proxy."


@dataclass
class Receiver:
    """A webhook's receiver that answers what it is told, and writes down what it was asked."""

    port: int
    status: int = 405
    headers: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append((request.method, await request.read()))
        return web.Response(status=self.status, headers=self.headers)


BOTH = pytest.mark.parametrize(("setting", "step"), [("WEBHOOK_URL", "webhook"), ("ALERT_WEBHOOK_URL", "alerts")])
"""The two receivers there may be: of all events, and of those that need a person."""


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Receiver]:
    """Run one, and set both addresses to it."""
    made = Receiver(free_port())
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", made.port).start()
    for setting in ("WEBHOOK_URL", "ALERT_WEBHOOK_URL"):
        monkeypatch.setenv(setting, LOCAL.format(made.port) + "/hook")
    monkeypatch.setenv("WEBHOOK_ALLOW_INTERNAL", "true")
    yield made
    await runner.cleanup()


@BOTH
@pytest.mark.parametrize(
    ("status", "found"),
    [
        (200, Status.OK),
        (405, Status.OK),
        (401, Status.OK),
        (501, Status.OK),
        (302, Status.WARN),
        (404, Status.WARN),
        (410, Status.WARN),
        (503, Status.WARN),
    ],
)
async def test_what_the_receiver_answers(
    receiver: Receiver, status: int, found: Status, setting: str, step: str
) -> None:
    """No event is sent to find out, and what is wrong names the setting of the address."""
    receiver.status = status
    looked_at = (await looked(step))[step]
    assert looked_at.status is found
    assert (setting in looked_at.remedy) is (found is Status.WARN and status != 503)
    assert receiver.asked == [("HEAD", b"")]


@BOTH
async def test_a_receiver_that_refuses(monkeypatch: pytest.MonkeyPatch, setting: str, step: str) -> None:
    monkeypatch.setenv(setting, LOCAL.format(free_port()) + "/hook?token=planted")
    monkeypatch.setenv("WEBHOOK_ALLOW_INTERNAL", "true")
    found = (await looked(step))[step]
    assert found.status is Status.FAIL
    assert "receiver" in found.detail
    assert found.detail.endswith(" cannot be reached (ClientConnectorError).")
    assert setting in found.remedy.split()
    assert "planted" not in str(found)


@BOTH
async def test_a_receiver_inside(receiver: Receiver, monkeypatch: pytest.MonkeyPatch, setting: str, step: str) -> None:
    """The guard of the events guards the look, too."""
    monkeypatch.delenv("WEBHOOK_ALLOW_INTERNAL")
    found = (await looked(step))[step]
    assert found.status is Status.FAIL
    assert found.detail.startswith(setting)
    assert "WEBHOOK_ALLOW_INTERNAL=true" in found.remedy
    assert receiver.asked == []


async def test_a_receiver_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for longer than for an event."""

    monkeypatch.setattr(outside, "TRY", outside.aiohttp.ClientTimeout(total=0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("WEBHOOK_URL", LOCAL.format(silent.getsockname()[1]))
        monkeypatch.setenv("WEBHOOK_ALLOW_INTERNAL", "true")
        found = (await looked("webhook"))["webhook"]
    assert (found.status, "cannot be reached" in found.detail) == (Status.FAIL, True)


async def test_nobody_to_tell() -> None:
    found = await looked("webhook", "alerts", "clock")
    assert {one.status for one in found.values()} == {Status.OK}
    assert found["clock"].detail == "nobody was heard whose clock could be compared"


@pytest.mark.parametrize(
    ("date", "judge"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", lambda one: one.status is Status.WARN and "ahead of" in one.detail),
        ("Fri, 31 Dec 9998 23:59:59 GMT", lambda one: one.status is Status.WARN and "behind" in one.detail),
        (None, lambda one: one.status is Status.OK and one.detail.endswith("of the webhook's receiver")),
        ("yesterday", lambda one: one.status is Status.OK),
    ],
)
async def test_clocks_that_differ(receiver: Receiver, date: str | None, judge: Callable[[Finding], bool]) -> None:
    """By what the receiver's answer says of the time."""
    if date:
        receiver.headers["Date"] = date
    found = (await looked("webhook", "clock"))["clock"]
    assert judge(found), found
