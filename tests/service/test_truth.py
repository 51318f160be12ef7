"""What is known of a session comes from what the real engine did, not from what was last wished for."""

from __future__ import annotations

import time

from benchmarks.rig import Numbers, Rig
from lab.client import LabClient
from sessions.model import SendStatus
from sessions.state import Reason

LONG_AGO = 1_000_000_000.0


async def test_each_fact_is_there_and_follows_what_happens(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Logged in, heard, sent, its pump and its worker; and nothing of it when the session rests."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    await rig.until(lambda: rig.fleet.truth(session).event_s is not None, within_s=30)
    truth = rig.fleet.truth(session)
    assert (truth.worker_alive, truth.pump, truth.socket, truth.logged_in) == (True, True, True, True)
    assert (truth.keepalive_errors, truth.sent_s) == (0, None)
    assert (await rig.fleet.send(session, "r", f"{customer}@s.whatsapp.net", "oi")).status is SendStatus.SENT
    await rig.until(lambda: rig.fleet.truth(session).sent_s is not None, within_s=30)
    await rig.fleet.disconnect(session)
    gone = rig.fleet.truth(session)
    assert (gone.view.state.reason, gone.worker, gone.socket, gone.logged_in) == (Reason.STOPPED, None, None, None)


async def test_the_own_phone_is_seen_by_what_it_does(rig: Rig, lab: LabClient, number: Numbers) -> None:
    """Its own texts say that it lives; what customers write does not."""
    shop, customer = number(), number()
    session = await rig.pair(shop)
    await lab.phone(customer, "Ana")
    assert rig.fleet.view(session).phone_seen_at is not None, "who scanned the code was there"
    one = rig.fleet._session(session)
    one._lasting._save(phone_seen_at=LONG_AGO)
    await lab.write(customer, shop, "alô?")
    await rig.texts(session, 1)
    assert rig.fleet.view(session).phone_seen_at == LONG_AGO
    await lab.write(shop, customer, "estou aqui", from_own_phone=True)
    await rig.until(lambda: rig.fleet.view(session).phone_seen_at != LONG_AGO, within_s=30)
    assert abs((rig.fleet.view(session).phone_seen_at or 0) - time.time()) < 120
