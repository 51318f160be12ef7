"""The lab's two doors: the proxy that engines dial, and the control API's manners."""

import asyncio
import contextlib
import ssl
from urllib.parse import urlsplit

import aiohttp
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("host", ["web.whatsapp.com", "mmg.whatsapp.net"])
async def test_every_host_is_answered_here_and_shows_the_labs_certificate(place, lab, host):
    trust = ssl.create_default_context(cafile=str(place.ca))
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"https://{host}/nothing", proxy=place.proxy, ssl=trust) as response,
    ):
        assert response.status == 404


async def test_nobody_else_trusts_it(place, lab):
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get("https://web.whatsapp.com/", proxy=place.proxy)


async def _say(place, words: bytes) -> bytes:
    proxy = urlsplit(place.proxy)
    reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port)
    writer.write(words)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_the_proxy_only_connects(place, lab):
    assert (await _say(place, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405 ")


async def test_the_proxy_hangs_up_on_an_endless_head(place, lab):
    with contextlib.suppress(ConnectionResetError):
        assert await _say(place, b"CONNECT " + b"x" * 20_000) == b""


async def test_the_proxy_refuses_when_it_was_told_to(place, lab):
    await lab.faults("refuse", count=1)
    assert (await _say(place, b"CONNECT web.whatsapp.com:443 HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/phones", b"not json", 422),
        ("POST", "/phones", b'{"number": "12", "name": "x"}', 422),
        ("POST", "/phones", b'{"number": "5511987650000"}', 422),
        ("POST", "/phones", b'{"number": "5511987650000", "name": ""}', 422),
        ("POST", "/phones/5511900000000/messages", b'{"to": "1", "text": "x"}', 404),
        ("GET", "/phones/5511900000000/messages", b"", 404),
        ("GET", "/deliveries?wait=x", b"", 422),
        ("GET", "/deliveries?wait=61", b"", 422),
        ("GET", "/deliveries?since=-1", b"", 422),
        ("POST", "/devices/nobody@s.whatsapp.net/faults", b'{"kind": "drop"}', 404),
        ("POST", "/devices/@/faults", b'{"kind": "drop"}', 422),
        ("POST", "/faults", b'{"kind": "drop"}', 422),
        ("POST", "/pairing", b'{"refs": 0}', 422),
        ("GET", "/nowhere", b"", 404),
        ("DELETE", "/phones", b"", 405),
    ],
)
async def test_an_error_is_a_problem_with_a_sentence(place, lab, method, path, body, status):
    async with (
        aiohttp.ClientSession(place.control) as http,
        http.request(method, path, data=body) as response,
    ):
        problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["status"]) == (status, status)
    assert problem["detail"].endswith(".")


async def test_a_phone_is_listed_with_its_addresses(lab, phone):
    listed = (await lab.ask("GET", "/phones"))["items"]
    told = next(one for one in listed if one["number"] == phone)
    assert (told["jid"], told["registered"], told["devices"]) == (f"{phone}@s.whatsapp.net", True, [])
    assert told["lid"].endswith("@lid")


async def test_two_phones_write_to_each_other(lab, phone, contact):
    ids = await lab.write(phone, contact, "oi", count=3)
    assert [item["id"] for item in await lab.read(contact)] == ids
    sent = (await lab.ask("GET", f"/phones/{phone}/messages", kind="sent"))["items"]
    assert [item["text"] for item in sent] == ["oi 0", "oi 1", "oi 2"]


async def test_messages_are_paged_by_index(lab, phone, contact):
    await lab.write(phone, contact, "m", count=5)
    page = await lab.ask("GET", f"/phones/{contact}/messages", since=1, limit=2)
    assert ([item["text"] for item in page["items"]], page["next"]) == (["m 1", "m 2"], 3)
    rest = await lab.ask("GET", f"/phones/{contact}/messages", since=page["next"])
    assert [item["text"] for item in rest["items"]] == ["m 3", "m 4"]


async def test_a_wait_ends_with_the_message(lab, phone, contact):
    waiting = asyncio.create_task(lab.read(contact, wait=30, count=2))
    await lab.write(phone, contact, "um")
    await lab.write(phone, contact, "dois")
    assert [item["text"] for item in await asyncio.wait_for(waiting, 5)] == ["um", "dois"]


async def test_a_phone_that_gives_no_receipts(lab, number, contact):
    silent = number()
    await lab.phone(silent, "Silent", auto_receipts=False)
    [sent] = await lab.write(contact, silent, "oi")
    assert (await lab.ask("GET", f"/phones/{contact}/events"))["items"] == []
    await lab.ask("POST", f"/phones/{silent}/receipts", {"ids": [sent], "type": "delivered"})
    [event] = (await lab.ask("GET", f"/phones/{contact}/events"))["items"]
    assert (event["ids"], event["type"], event["from"]) == ([sent], "delivered", silent)
