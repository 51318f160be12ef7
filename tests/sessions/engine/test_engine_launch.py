"""What a worker is started with, and what of the hub never reaches it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sessions.engine.launch import Lab, Launch

SECRETS = {
    "API_KEY": "planted-api-key",
    "SUPABASE_URL": "https://planted.supabase.co",
    "SUPABASE_SECRET_KEY": "planted-secret",
    "SUPABASE_SERVICE_ROLE_KEY": "planted-role",
    "SUPABASE_DB_URL": "postgres://planted",
    "DATABASE_URL": "postgres://planted",
    "REDIS_URL": "redis://planted",
    "WEBHOOK_SECRET": "planted-hook",
    "OPENAI_API_KEY": "planted-openai",
    "WHATSAPP_LAB_ROOT_KEY": "planted-root",
    "PYTHONPATH": "/planted",
    "LD_PRELOAD": "/planted.so",
}
HARMLESS = {"PATH": "/bin", "HOME": "/h", "LANG": "pt_BR.UTF-8", "TZ": "America/Sao_Paulo", "SSL_CERT_FILE": "/ca"}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(proxy="http://127.0.0.1:9", ca=tmp_path / "ca.pem", root_key="ab" * 32)


@pytest.mark.parametrize("in_lab", [True, False])
def test_nothing_of_the_hubs_secrets_reaches_a_worker(tmp_path: Path, lab: Lab, in_lab: bool):
    environment = Launch(tmp_path, lab if in_lab else None).environment(SECRETS | HARMLESS)
    assert not environment.keys() & SECRETS.keys()
    assert not any("planted" in value for value in environment.values())
    assert "NEONIZE_BOT_TAG" in environment


@pytest.mark.parametrize("own", [{}, {"NEONIZE_BOT_TAG": "on"}])
def test_no_message_says_that_a_bot_wrote_it(tmp_path: Path, own: dict[str, str]):
    assert Launch(tmp_path).environment(own)["NEONIZE_BOT_TAG"] == "off"


def test_a_worker_takes_as_little_memory_on_a_large_machine(tmp_path: Path):
    assert Launch(tmp_path).environment({"MALLOC_ARENA_MAX": "512"})["MALLOC_ARENA_MAX"] == "2"


def test_a_worker_sees_the_system_as_the_hub_does(tmp_path: Path):
    assert Launch(tmp_path).environment(HARMLESS).items() >= HARMLESS.items()


def test_in_the_lab_its_authority_is_trusted_and_no_other_way_leads_out(tmp_path: Path, lab: Lab):
    proxies = {"HTTPS_PROXY": "http://10.0.0.1:1", "https_proxy": "http://10.0.0.1:1", "NO_PROXY": "*"}
    assert Launch(tmp_path).environment(proxies).items() >= proxies.items()
    inside = Launch(tmp_path, lab).environment(HARMLESS | proxies)
    assert inside["SSL_CERT_FILE"] == str(lab.ca)
    assert not inside.keys() & proxies.keys()


def test_a_real_child_has_this_environment_from_its_first_instruction(tmp_path: Path, lab: Lab, monkeypatch):
    """The engine reads what the process was started with, not what Python changes later."""
    for name, value in SECRETS.items():
        if name not in ("PYTHONPATH", "LD_PRELOAD"):  # the loader of this very test would act on them
            monkeypatch.setenv(name, value)
    shown = subprocess.run(
        [sys.executable, "-I", "-c", "print(open('/proc/self/environ').read())"],
        env=Launch(tmp_path, lab).environment(), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "planted" not in shown
    assert "NEONIZE_BOT_TAG=off" in shown
    assert f"SSL_CERT_FILE={lab.ca}" in shown


def test_every_start_has_an_inbox_of_its_own(tmp_path: Path):
    launch = Launch(tmp_path)
    inboxes = {launch.new_inbox("w1") for _ in range(50)}
    assert len(inboxes) == 50
    assert all(path.parent == tmp_path and path.match("inbox-w1-*.db") for path in inboxes)


def test_the_worker_runs_isolated_from_the_folder_it_is_started_in(tmp_path: Path):
    assert Launch(tmp_path).command[1:] == ("-I", "-m", "sessions.worker")
    assert Launch(tmp_path).command[0] == sys.executable
    assert os.path.isabs(sys.executable)  # noqa: PTH117
