"""docs/webhooks.md: its receiver takes what the service signs and refuses everything else; its tables say what the service does."""

from __future__ import annotations

import base64
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from lab_run import free_port, until
from standardwebhooks import Webhook

from connector.guard import outgoing
from connector.housekeeping import KEYS_KEPT_S
from connector.sinks.answers import of_status
from connector.sinks.webhook import Target, WebhookSink
from connector.spool.rows import StoredOut
from connector.spool.sink import Delivered, Park, Poison, Wait

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")
SECRET = re.findall(r"WEBHOOK_SECRET=(whsec_\S+)", PAGE)[0]
BODY = json.dumps({"id": "evt_1", "type": "messageReceived", "data": {"content": "olá"}}, ensure_ascii=False)
ROW = StoredOut(sink="webhook", chain="a", op="op:1", body=BODY.encode(), seq=1, at_us=0)


class Example:
    """The page's receiver, as a program."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process

    async def post(self, body: str, headers: dict[str, str]) -> int:
        async with aiohttp.ClientSession() as http, http.post(self.url, data=body.encode(), headers=headers) as answer:
            return answer.status


@pytest.fixture
def example(tmp_path: Path) -> Generator[Example]:
    """Have it run, word for word but for its port."""
    source = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    port = free_port()
    program = tmp_path / "receiver.py"
    program.write_text(source.replace("5000", str(port)), "utf-8")
    env = {"WEBHOOK_SECRET": SECRET, "PYTHONUTF8": "1"}
    with subprocess.Popen(
        [sys.executable, str(program)], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        until(lambda: listening(port))
        yield Example(f"http://127.0.0.1:{port}/", process)
        process.terminate()


def listening(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@pytest.mark.parametrize("secret", [SECRET, "whsec_" + base64.b64encode(b"another secret, as long").decode()])
async def test_the_example_takes_what_the_service_signs(example: Example, secret: str) -> None:
    """With the same secret on both sides; with another the queue stops, and says why."""
    async with outgoing(allow_internal=True, connections=1, timeout=aiohttp.ClientTimeout(total=15)) as http:
        sink = WebhookSink(Target(example.url, secret), http)
        found = await until_decided(sink)
        await sink.close()
    if secret == SECRET:
        assert found == Delivered()
        assert example.process.stdout is not None
        assert example.process.stdout.readline() == "evt_1 messageReceived olá\n"
    else:
        assert isinstance(found, Park)
        assert "WEBHOOK_SECRET" in found.reason


async def until_decided(sink: WebhookSink) -> object:
    while (found := await sink.deliver([ROW])) and not isinstance(found, Delivered | Park | Poison):
        assert not isinstance(found, Wait), found
    return found


async def test_the_example_refuses_what_was_changed_or_recorded(example: Example) -> None:
    """One more character, a signature that is missing, a time long gone."""
    now = time.time()

    def signed(at: float) -> dict[str, str]:
        moment = datetime.fromtimestamp(int(at), UTC)
        return {
            "webhook-id": "evt_1",
            "webhook-timestamp": str(int(at)),
            "webhook-signature": Webhook(SECRET).sign("evt_1", moment, BODY),
        }

    assert await example.post(BODY, signed(now)) == 204
    assert await example.post(BODY + " ", signed(now)) == 401
    assert await example.post(BODY, signed(now - 3600)) == 401
    assert await example.post(BODY, {**signed(now), "webhook-signature": "v1,"}) == 401
    assert await example.post(BODY, {"webhook-id": "evt_1", "webhook-timestamp": str(int(now))}) == 401


def test_the_table_of_answers() -> None:
    """Each status does what its row says."""
    rows = re.findall(
        r"^\| (.*?) \| (.*?) \|$", PAGE.split("## What your answer means")[1].split("##")[0], re.MULTILINE
    )
    waits, parks = (next(row for row, does in rows if does.startswith(word)) for word in ("waits", "stops"))
    for row, kind in ((waits, Wait), (parks, Park)):
        statuses = re.findall(r"\d{3}", row)
        assert len(statuses) > 3
        for status in statuses:
            found = of_status(int(status), None, datetime.now(UTC))
            assert found is not None, status
            assert isinstance(found.verdict, kind), status
            assert found.everywhere, status
    for status, kind in ((302, Park), (500, Wait), (422, Poison)):
        found = of_status(status, None, datetime.now(UTC))
        assert found is not None
        assert isinstance(found.verdict, kind)
    assert KEYS_KEPT_S == 7 * 86_400, "the page says a week"


def test_the_example_is_short() -> None:
    """As the page says: sixteen lines."""
    source = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    assert len([line for line in source.splitlines() if line.strip()]) == 16
