"""What `./scripts/setup` says where it cannot do its work: one sentence each, with the remedy, and nothing that fools the next try."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = ("sh", "dirname", "cat", "cksum", "rm", "mkdir", "touch", "chmod")
"""Everything of the system that the script and the stand-ins use."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Answer a copy of what the script reads, in a folder with a space in its name."""
    made = tmp_path / "um clone"
    (made / "scripts").mkdir(parents=True)
    for name in ("scripts/setup", "scripts/uv.txt", "requirements.lock", "pyproject.toml"):
        shutil.copy2(ROOT / name, made / name)
    return made


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Answer the only folder on the PATH: a bare machine's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found, name
        (folder / name).symlink_to(found)
    return folder


def stand_in(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def sentence(clone: Path, programs: Path, *, before: Sequence[str] = (), **environment: str) -> str:
    """Run the script, which fails, and answer the one thing it says besides that it began."""
    ended = subprocess.run(
        [*before, str(clone / "scripts" / "setup")],
        env={"PATH": str(programs), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    said = [line for line in ended.stderr.splitlines() if not line.startswith("setup: making")]
    assert len(said) == 1, ended.stderr
    assert ", then run this again." in said[0]
    assert not (clone / ".venv" / ".setup-done").exists()
    return said[0].removeprefix("setup: ")


@pytest.mark.parametrize("there", [None, "exit 1"])
def test_no_python_that_is_new_enough(clone: Path, programs: Path, there: str | None) -> None:
    """None at all, or an old one."""
    if there:
        stand_in(programs, "python3", there)
    assert sentence(clone, programs).startswith("no Python 3.11 or newer was found: install python3 (")


def test_python_without_venv(clone: Path, programs: Path) -> None:
    """As Debian's without python3-venv: it leaves a folder behind that looks like an environment."""
    half = 'case "$*" in *venv*) mkdir -p .venv/bin; touch .venv/bin/python; exit 1 ;; esac'
    stand_in(programs, "python3", half)
    said = sentence(clone, programs)
    assert said.startswith("this Python cannot make a virtual environment: install python3-venv (sudo apt install")
    assert not (clone / ".venv").exists()


def test_uv_without_python(clone: Path, programs: Path) -> None:
    stand_in(programs, "uv", 'echo "error: No interpreter found" >&2; exit 2')
    assert sentence(clone, programs) == "uv found no Python 3.11 or newer: install one, then run this again."


NO_NETWORK = (
    "the packages could not be fetched: look at the connection to the internet, or name this network's own index"
)


def test_no_network(clone: Path, programs: Path) -> None:
    """With a real Python, whose pip has nobody to ask."""
    (programs / "python3").symlink_to(Path(sys.base_prefix, "bin", "python3"))
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0", "HOME": str(clone)}
    assert sentence(clone, programs, **nowhere).startswith(NO_NETWORK)
    assert (clone / ".venv" / ".setup-log").stat().st_size > 0


def fetching(says: str) -> str:
    """Answer a uv that makes an environment, and fails to fill it."""
    return f"""
case "$1" in
  venv) mkdir -p .venv/bin; touch .venv/bin/python; chmod +x .venv/bin/python ;;
  *) echo "{says}" >&2; exit 2 ;;
esac"""


@pytest.mark.parametrize(
    ("says", "sentence_begins"),
    [
        ("error: Failed to fetch: dns error", NO_NETWORK),
        ("error: No space left on device (os error 28)", "the disk is full: leave 1 GB free in "),
    ],
)
def test_uv_that_cannot_fetch(clone: Path, programs: Path, says: str, sentence_begins: str) -> None:
    """Its own words are kept in a file."""
    stand_in(programs, "uv", fetching(says))
    assert sentence(clone, programs).startswith(sentence_begins)
    assert (clone / ".venv" / ".setup-log").read_text() == f"{says}\n"


def test_a_folder_of_somebody_else(clone: Path, programs: Path) -> None:
    """As a clone that root made."""
    clone.chmod(0o555)
    setpriv = str(shutil.which("setpriv"))
    before = () if os.geteuid() else (setpriv, "--bounding-set=-all", "--inh-caps=-all", "--")
    try:
        assert sentence(clone, programs, before=before).startswith(f"{clone} cannot be written by this user: give it")
    finally:
        clone.chmod(0o755)
