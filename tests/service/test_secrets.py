"""What must not reach a log does not: numbers, bodies, codes, keys; the engine's own prints and a crash's last words included."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from loguru import logger

from benchmarks.rig import Numbers, Rig
from connector.logs import Logs
from lab.client import LabClient
from sessions.engine import Lab, Launch
from sessions.redaction import Redactor
from sessions.state import Reason

BODY = "segredo-do-cliente-42"
KEY = "uma-chave-que-ninguem-deve-ver"


async def test_no_secret_is_logged_whatever_happens(tmp_path: Path, lab: LabClient, number: Numbers) -> None:
    """Pairings, texts, failures and an aborted engine, at the level that says most."""
    redact = Redactor()
    redact.register(KEY)
    logs = Logs(redact)
    logs.open("DEBUG")
    logs.open_files(tmp_path / "logs", "DEBUG")
    secrets = [BODY, KEY]
    try:
        async with Rig(tmp_path / "dados", lab, launch=_aborting(tmp_path / "dados" / "spool", lab)) as rig:
            secrets += await _everything(rig, lab, number)
        logger.info("The key is {}", KEY)
    finally:
        logs.close()
    written = "".join(path.read_text(errors="replace") for path in sorted((tmp_path / "logs").iterdir()))
    assert "worker_restarting" in written, "the logs do not tell of the crash"
    assert "goroutine" in written, "the logs do not hold the engine's last words"
    assert [secret for secret in secrets if secret in written] == []


def _aborting(spool: Path, lab: LabClient) -> Launch:
    place = lab.place
    command = (sys.executable, str(Path(__file__).parent / "odd_worker.py"), "aborting")
    return Launch(spool=spool, lab=Lab(place.proxy, place.ca, place.root_key), command=command)


async def _everything(rig: Rig, lab: LabClient, number: Numbers) -> list[str]:
    shop, second, customer, nobody = number(), number(), number(), number()
    await lab.phone(shop, "Loja")
    await lab.phone(second, "Filial")
    await lab.phone(customer, "Ana")
    session, other = rig.fleet.create(), rig.fleet.create()
    qr = (await rig.fleet.qr(session)).text
    await lab.scan(shop, qr)
    typed = (await rig.fleet.pair_code(other, second)).text
    await lab.link(second, typed)
    await rig.connected(session, other)
    await lab.write(customer, shop, BODY)
    await rig.texts(session, 1)
    await rig.fleet.send(session, "a", f"{customer}@s.whatsapp.net", BODY)
    await rig.fleet.send(session, "b", f"{nobody}@s.whatsapp.net", BODY)
    identity = rig.fleet.view(session).identity
    assert identity
    assert identity.lid
    await lab.fault(identity.jid, "corrupt")
    await lab.write(customer, shop, BODY)
    await rig.texts(session, 2)
    await _abort_worker(rig)
    await rig.in_state(Reason.CONNECTED, session, other)
    lid = identity.lid.split(":")[0]
    return [shop, second, customer, nobody, lid, typed, typed.replace("-", ""), *qr.split("#")[-1].split(",")[:4]]


async def _abort_worker(rig: Rig) -> None:
    """Go prints every stack when it ends on a fault of its own."""
    await rig.until(lambda: rig.fleet.workers()[0].health is not None)
    health = rig.fleet.workers()[0].health
    assert health
    starts = rig.fleet.workers()[0].starts
    os.kill(health.pid, signal.SIGUSR1)
    await rig.until(lambda: rig.fleet.workers()[0].starts > starts)
