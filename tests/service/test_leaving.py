"""Stopping, unlinking and removing a session."""

from __future__ import annotations

import pytest

from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.errors import NotConnected, UnknownSession
from sessions.state import Reason


async def test_a_logout_is_confirmed_and_a_new_pairing_works(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """The phone's list of devices is empty afterwards; the same session can be linked again."""
    shop = number()
    session = await rig.pair(shop)
    assert await rig.fleet.logout(session)
    assert rig.fleet.view(session).state.reason is Reason.LOGGED_OUT
    assert not await _devices(lab, shop)
    with pytest.raises(NotConnected):
        rig.fleet.connect(session)
    await lab.scan(shop, (await rig.fleet.qr(session)).text)
    await rig.connected(session)
    assert len(await _devices(lab, shop)) == 1


async def test_a_logout_in_the_moment_after_the_scan_is_confirmed(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Linked by mistake: the phone must not go on listing a device that nobody can unlink here any more."""
    shop = number()
    await lab.phone(shop, "Loja")
    session = rig.fleet.create()
    await lab.scan(shop, (await rig.fleet.qr(session)).text)
    await rig.until(lambda: rig.fleet.view(session).identity is not None)
    assert rig.fleet.view(session).state.reason is Reason.STARTING
    assert await rig.fleet.logout(session)
    assert not await _devices(lab, shop)


async def test_a_logout_that_whatsapp_cannot_confirm_says_so(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Forgotten here, still listed on the phone: the caller is told."""
    shop = number()
    session = await rig.pair(shop)
    await rig.fleet.disconnect(session)
    assert not await rig.fleet.logout(session)
    assert rig.fleet.view(session).state.reason is Reason.LOGGED_OUT
    assert len(await _devices(lab, shop)) == 1
    other = number()
    await lab.phone(other, "Outra")
    await lab.scan(other, (await rig.fleet.qr(session)).text)
    await rig.connected(session)
    identity = rig.fleet.view(session).identity
    assert identity
    assert identity.phone == other, "the next scan found the old account"


async def test_a_removed_session_leaves_no_file(rig: Rig, number: Numbers) -> None:
    """Neither credentials nor record; its worker ends when it was the last."""
    session = await rig.pair(number())
    assert await rig.fleet.remove(session)
    assert not list(rig.fleet.register.folder.iterdir())
    with pytest.raises(UnknownSession):
        rig.fleet.view(session)
    assert rig.fleet.workers() == []


async def test_a_stopped_session_stays_stopped_and_paired(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Not wanted any more, also for the next start of the service; connected again on request, without a code."""
    session = await rig.pair(number())
    await rig.fleet.disconnect(session)
    assert rig.fleet.view(session).state.reason is Reason.STOPPED
    await rig.fleet.stop()
    await rig.leave()
    async with Rig(rig.data, lab) as again:
        assert again.fleet.view(session).state.reason is Reason.STOPPED
        again.fleet.connect(session)
        await again.connected(session)


async def _devices(lab: LabClient, phone: str) -> list[object]:
    devices = await lab.ask("GET", "/devices")
    return [one for one in devices["items"] if one["phone"] == phone]
