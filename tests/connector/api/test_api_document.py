"""What the API says of itself is what it does: asked by schemathesis over a socket, by a browser's page, by curl."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from connector.api.health import Trouble
from connector.api.server import Server
from connector.api.sockets import bind

KEY = "planted-key"
HERE = Path(__file__).parent


@asynccontextmanager
async def served(rig: Any) -> AsyncGenerator[str]:
    """Serve an API on a port of its own."""
    [listener] = bind("127.0.0.1", 0)
    server = Server(rig.app, [listener])
    await server.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await server.stop()


async def run(*command: str, timeout: float = 120) -> tuple[int, str]:
    """Run a program beside us and answer its status and what it said."""
    program = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL
    )
    try:
        said, _ = await asyncio.wait_for(program.communicate(), timeout)
    except BaseException:
        program.kill()
        await program.wait()
        raise
    assert program.returncode is not None
    return program.returncode, said.decode()


@pytest.mark.timeout(420)  # twenty seconds of one core; on a busy machine many times that
async def test_it_keeps_its_promises(builder: Any, tmp_path: Path) -> None:
    """Every operation, asked well and badly: no fault, no answer that is not described, nothing bad taken, nothing good refused."""
    rig = builder()
    there = rig.memory.with_atendimento()
    async with served(rig) as url:
        await run(
            "curl", "-sf", f"{url}/sessions/start", "-H", f"X-API-KEY: {KEY}", "-H", "Content-Type: application/json",
            "-d", '{"tenantId": "minha-conexao-1"}'
        )  # fmt: skip
        rig.memory.be("minha-conexao-1", "connected", "connected")
        settings = tmp_path / "schemathesis.toml"
        settings.write_text(
            (HERE / "schemathesis.toml").read_text("utf-8") + f'\n[parameters]\natendimentoId = "{there.id}"\n', "utf-8"
        )
        status, said = await run(
            str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(settings), "--no-color",
            "run", f"{url}/openapi.json", "-H", f"X-API-KEY: {KEY}",
            "--max-examples", "4", "--seed", "7", "--generation-database", "none", timeout=400,
        )  # fmt: skip
    assert status == 0, said
    assert "33 selected / 33 total" in said


async def test_the_three_commands(builder: Any) -> None:
    """As integrations write them, plus the key."""
    rig = builder()
    async with served(rig) as url:
        base = f"{url}/api/whatsapp-integration"
        status, said = await run("sh", "-c", f"""curl -X POST {base}/connections \\
  -H "X-API-KEY: {KEY}" -H "Content-Type: application/json" \\
  -d '{{
    "connectionId": "minha-conexao-1",
    "name": "Conexão Principal",
    "ownerId": "user-uuid-here",
    "companyId": "company-uuid-here"
  }}' -sS""")  # fmt: skip
        made = json.loads(said)
        assert (status, made["connectionId"], made["name"]) == (0, "minha-conexao-1", "Conexão Principal")
        status, said = await run("sh", "-c", f'curl {base}/connections/minha-conexao-1/qr -H "X-API-KEY: {KEY}" -sS')
        assert (status, json.loads(said)["attempt"]) == (0, 1)
        rig.memory.be("minha-conexao-1", "connected", "connected")
        status, said = await run("sh", "-c", f"""curl -X POST {base}/messages/send \\
  -H "X-API-KEY: {KEY}" -H "Content-Type: application/json" \\
  -d '{{
    "connectionId": "minha-conexao-1",
    "to": "5511999999999@s.whatsapp.net",
    "content": "Olá! Como posso ajudar?",
    "type": "text"
  }}' -sS""")  # fmt: skip
    assert (status, json.loads(said)["status"]) == (0, "sent")
    assert rig.memory.asked[-1][1].content == "Olá! Como posso ajudar?"


async def test_the_document(client: Any) -> None:
    """Every address that takes a key is in it, with all it may refuse; nothing refers to what is not there."""
    document = await (await client.get("/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) == len({one["operationId"] for one in operations}) == 33
    assert [one for one in operations if not one["summary"] or "401" not in one["responses"]] == []
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert named == set(document["components"]["schemas"])


async def test_the_page(rig: Any) -> None:
    """Opens without a key, and loads nothing but what is served here."""
    async with TestClient(TestServer(rig.app)) as browser:
        page = await browser.get("/docs")
        text = await page.text()
        assert (page.status, page.content_type) == (200, "text/html")
        assert '"/openapi.json"' in text
        loaded = set(re.findall(r'(?:src|href)="([^"]+)"', text))
        assert loaded
        for address in loaded:
            answer = await browser.get(address)
            assert (answer.status, address.startswith("/docs/static/")) == (200, True), address
        assert (await browser.get("/openapi.json")).status == 200
        for address in (
            "/docs/static/swagger-editor.js",
            "/docs/static/..%2fcore.py",
            "/docs/static/%2e%2e%2fcore.py",
            "/docs/",
        ):
            assert (await browser.get(address)).status == 401, address


async def test_metrics(client: Any, rig: Any) -> None:
    """In Prometheus' form; requests are counted by pattern, never by path."""
    answer = await client.get("/metrics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert await answer.text() == "vigia_up 1\n"
    await client.get("/api/whatsapp-integration/connections/5511987654321/qr")
    await client.get("/5511987654321")
    await client.request("PROPFIND", "/health/live")
    assert rig.counted == [
        ("GET", "/metrics", 200),
        ("GET", "/api/whatsapp-integration/connections/{connectionId}/qr", 404),
        ("GET", "unknown", 404),
        ("other", "unknown", 405),
    ]


@pytest.mark.parametrize(("public", "status"), [(False, 401), (True, 200)])
async def test_metrics_without_a_key(builder: Any, public: bool, status: int) -> None:
    """Only where nobody else can ask."""
    async with TestClient(TestServer(builder(public_metrics=public).app)) as stranger:
        assert (await stranger.get("/metrics")).status == status


@pytest.mark.parametrize(
    ("troubles", "status", "word"),
    [
        ([], 200, "ok"),
        ([Trouble("record_away", "The database does not answer.")], 200, "degraded"),
        (
            [Trouble("record_away", "Away."), Trouble("spool", "The queue cannot be written.", blocks=True)],
            503,
            "unready",
        ),
    ],
)
async def test_readiness(client: Any, rig: Any, troubles: list[Trouble], status: int, word: str) -> None:
    """A database that is away is no reason to send requests elsewhere; a queue that cannot be written is."""
    rig.troubles.extend(troubles)
    answer = await client.get("/health/ready")
    body = await answer.json()
    assert (answer.status, body["status"], body["lab"], body["sessions"]) == (status, word, True, 0)
    assert [one["code"] for one in body.get("reasons", [])] == [one.code for one in troubles]
    assert (await client.get("/health/live")).status == 200
