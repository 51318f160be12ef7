"""The pages for operators: what they name exists, and what they quote is said."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from connector.app import DRAIN_S
from connector.failures import ExitCode
from connector.settings import Settings
from sessions.state import Reason

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SPOKEN = ("connector", "sessions")
UNIT = DOCS / "deployment" / "vigia.service"
SYSTEMD_ANALYZE = which("systemd-analyze")


def page(name: str) -> str:
    return " ".join((DOCS / name).read_text("utf-8").split())


def sentences() -> Iterator[str]:
    """Answer every text in the code and in the setup, with … where a value goes."""
    yield (ROOT / "scripts" / "setup").read_text("utf-8")
    for folder in SPOKEN:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_state_of_an_account_has_its_remedy() -> None:
    """Whoever reads a reason in the API finds it here."""
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    named = {word for row in rows for word in re.findall(r"`([a-z_]+)`", row)}
    assert {reason.code for reason in Reason} - named == set()


def test_what_is_quoted_is_said() -> None:
    """A sentence that a person searches for must be the one that they saw."""
    said = "\n".join(sentences())
    quoted = re.findall("“([^”]+)”", page("troubleshooting.md"))
    assert len(quoted) > 15
    unsaid = [
        quote
        for quote in quoted
        if not re.search(".{0,60}?".join(map(re.escape, re.split(" ?… ?", quote.removeprefix("setup: ")))), said)
    ]
    assert unsaid == []


def test_every_status_of_the_start_is_explained() -> None:
    """Those with which it does not start."""
    rows = set(re.findall(r"^\| (\d+) \|", (DOCS / "troubleshooting.md").read_text("utf-8"), re.MULTILINE))
    assert {int(row) for row in rows} == {ExitCode.BUG, ExitCode.USAGE, ExitCode.DATA_DIR, ExitCode.ADDRESS}


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_page_is_listed(name: str) -> None:
    """docs/README.md leads to all of them."""
    assert name == "README.md" or f"]({name})" in (DOCS / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["deployment.md", "troubleshooting.md"])
def test_the_settings_that_a_page_sets_exist(name: str) -> None:
    """`NAME=value` in a page is a setting; what the shell or a container calls its own is not."""
    others = {"PASSWORD", "POSTGRES_PASSWORD", "NAME", "KEY", "API"}
    named = set(re.findall(r"\b([A-Z][A-Z_]{3,})=", page(name))) - others
    assert named
    assert named - {each.upper() for each in Settings.model_fields} == set()


def unit() -> dict[str, list[str]]:
    """Answer what the unit says, by key."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_gives_the_service_its_time_and_its_folder() -> None:
    """It may drain, it alone ends its children, and what it may write is where it keeps things."""
    said = unit()
    assert float(said["TimeoutStopSec"][0]) > DRAIN_S * 2
    assert said["KillMode"] == ["mixed"]
    assert said["StateDirectory"] == ["vigia"]
    assert said["WorkingDirectory"] == ["/var/lib/vigia"]
    assert f"DATA_DIR={said['WorkingDirectory'][0]}" in said["Environment"]
    assert said["RestartPreventExitStatus"] == [f"{ExitCode.USAGE} {ExitCode.DATA_DIR}"]
    program = said["ExecStart"][0].split()[0]
    assert f"cp -r . {program.removesuffix('/.venv/bin/vigia')} " in page("deployment.md")


def test_the_unit_keeps_the_service_in() -> None:
    """What it does not need it cannot do."""
    said = unit()
    for key in (
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "RestrictSUIDSGID",
        "LockPersonality",
    ):
        assert said[key] == ["yes"], key
    assert said["ProtectSystem"] == ["strict"]
    assert said["CapabilityBoundingSet"] == [""]


def test_the_unit_can_be_read(tmp_path: Path) -> None:
    """Line by line; and by systemd itself, where there is one: every key is known. Its program is elsewhere here."""
    lines = UNIT.read_text("utf-8").splitlines()
    assert [line for line in lines if line and not re.match(r"#|\[\w+\]$|[A-Z]\w+=", line)] == []
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", "\n".join(lines), flags=re.MULTILINE))
    if SYSTEMD_ANALYZE:
        command = [SYSTEMD_ANALYZE, "verify", str(copy)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert [line for line in ended.stderr.splitlines() if UNIT.name in line] == []


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_the_proxies_let_streams_through(name: str) -> None:
    """No buffering, time for the longest wait, no figures for strangers, bodies as the service takes them."""
    text = (DOCS / "deployment" / name).read_text("utf-8")
    for needed in ("127.0.0.1:3001", "90s", "/metrics"):
        assert needed in text
    assert "proxy_buffering off" in text or "flush_interval -1" in text
    assert re.search(r"client_max_body_size 1m|max_size 1MB", text)
