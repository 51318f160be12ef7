"""Linking a device: by QR code and by eight characters, and every way it does not work."""

import pytest

from benchmarks.lab_engine import running_engine
from lab.client import LabRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_session_pairs_by_qr(lab, engine, phone):
    device = await engine.pair(lab, "a", phone)
    assert device == f"{phone}:1@s.whatsapp.net"
    assert (await engine.event("a", "PairStatus"))["status"] == 2
    told = next(one for one in (await lab.ask("GET", "/devices"))["items"] if one["jid"] == device)
    assert (told["phone"], told["connected"], told["active"], told["logins"]) == (phone, True, True, 1)


async def test_a_session_pairs_by_eight_characters(lab, engine, phone):
    await engine.ask("connect", session="a")
    await engine.event("a", "qr")
    code = await engine.ask("code", session="a", number=phone)
    assert len(code) == 9
    answer = await lab.link(phone, code)
    await engine.event("a", "Connected")
    assert answer["jid"] == f"{phone}:1@s.whatsapp.net"


async def test_wrong_characters_do_not_pair(lab, engine, phone):
    await engine.ask("connect", session="a")
    await engine.event("a", "qr")
    await engine.ask("code", session="a", number=phone)
    with pytest.raises(LabRefused, match="not the code that the device shows") as refused:
        await lab.link(phone, "ABCD-EFGH")
    assert refused.value.status == 422


async def test_a_code_that_nobody_waits_for(lab, phone):
    with pytest.raises(LabRefused, match="No device waits") as refused:
        await lab.link(phone, "ABCD-EFGH")
    assert refused.value.status == 404


async def test_a_number_links_two_devices(lab, engine, phone):
    assert await engine.pair(lab, "a", phone) == f"{phone}:1@s.whatsapp.net"
    assert await engine.pair(lab, "b", phone) == f"{phone}:2@s.whatsapp.net"


@pytest.mark.parametrize("text", ["", "hello", "2@ref,AAAA,AAAA,AAAA", "https://wa.me/settings/linked_devices#2@ref"])
async def test_what_is_no_qr_text(lab, phone, text):
    with pytest.raises(LabRefused) as refused:
        await lab.scan(phone, text)
    assert refused.value.status == 422


async def test_a_qr_code_of_somewhere_else(lab, engine, phone):
    await engine.ask("connect", session="a")
    text = (await engine.event("a", "qr"))["text"]
    ref = text.partition("#")[2].partition(",")[0]
    with pytest.raises(LabRefused, match="No device of this lab shows") as refused:
        await lab.scan(phone, text.replace(ref, "2@elsewhere"))
    assert refused.value.status == 404


async def test_a_qr_code_whose_device_has_gone(lab, phone, place, tmp_path):
    async with running_engine(place, tmp_path) as engine:
        await engine.ask("connect", session="a")
        text = (await engine.event("a", "qr"))["text"]
    with pytest.raises(LabRefused) as refused:
        await _scan_until_expired(lab, phone, text)
    assert refused.value.status == 410
    assert "expired" in str(refused.value)


async def _scan_until_expired(lab, phone, text):
    """The lab hears of a device that died a moment later: until then the scan finds it, and it does not answer."""
    for _ in range(3):
        try:
            await lab.scan(phone, text)
        except LabRefused as refused:
            if refused.status != 504:
                raise


async def test_how_many_codes_a_device_may_show(lab, engine, phone):
    await lab.ask("POST", "/pairing", {"refs": 2})
    await engine.pair(lab, "a", phone)
    await lab.ask("POST", "/pairing", {"refs": 6})
    assert (await engine.event("a", "QR"))["codes"] == 2


async def test_a_number_that_is_not_on_whatsapp_has_no_phone(lab, number):
    absent = number()
    await lab.phone(absent, "Nobody", registered=False)
    with pytest.raises(LabRefused, match="not on WhatsApp") as refused:
        await lab.scan(absent, "2@ref")
    assert refused.value.status == 409


async def test_a_number_has_one_phone(lab, phone):
    with pytest.raises(LabRefused) as refused:
        await lab.phone(f"+{phone[:2]} {phone[2:]}", "Again")
    assert refused.value.status == 409
