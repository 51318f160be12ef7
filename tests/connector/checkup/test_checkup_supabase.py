"""The database's steps at a Supabase project that does not let anybody in: by name, with what to do."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest
from aiohttp import web
from vigia_command import free_port

from connector import checkup
from connector.checkup import Finding, Ground, Status

KEY = "sb_secret_planted_planted_planted"


@dataclass
class Project:
    """What answers under SUPABASE_URL: a status, a body, its kind."""

    status: int = 200
    body: str = ""
    kind: str = "application/json"

    async def answer(self, _request: web.BaseRequest) -> web.Response:
        return web.Response(status=self.status, text=self.body, content_type=self.kind)


@pytest.fixture
async def project(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Project]:
    """Run one, and name it in the settings."""
    made, port = Project(), free_port()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    monkeypatch.setenv("SUPABASE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield made
    await runner.cleanup()


async def looked() -> dict[str, Finding]:
    names = ("settings", "folder", "service", "database", "schema", "functions", "grants", "probe")
    async with Ground() as ground:
        steps = [one for one in checkup.STEPS if one.name in names]
        return {one.name: one.finding async for one in checkup.run(steps, ground)}


@pytest.mark.parametrize(
    ("project_is", "name", "words"),
    [
        (Project(540, '{"message": "planted"}'), "database", "is paused"),
        (Project(401, '{"message": "Invalid API key planted"}'), "database", "refuses the key"),
        (Project(200, "<html>planted</html>", "text/html"), "database", "is not Supabase"),
        (Project(402, "{}"), "database", "restricted"),
        (Project(503, "{}"), "database", "busy"),
        (Project(404, '{"code": "PGRST202", "message": "planted"}'), "schema", "no tables of this Vigia"),
        (Project(403, '{"code": "42501", "message": "planted"}'), "schema", "lacks a right"),
    ],
)
async def test_what_is_wrong_is_named(project: Project, project_is: Project, name: str, words: str) -> None:
    """And what the project said is not repeated: it may hold anything."""
    project.status, project.body, project.kind = project_is.status, project_is.body, project_is.kind
    found = await looked()
    assert [one for one, finding in found.items() if finding.status is Status.FAIL] == [name], found
    assert words in found[name].detail
    assert found[name].remedy
    assert "planted" not in str(found)
