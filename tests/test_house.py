"""The laws of the house: what every file, package, page and script of this project keeps to."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from connector.settings import Settings

ROOT = Path(__file__).parents[1]
PACKAGES = ("connector", "sessions", "watchdog", "lab")
FOLDERS = (
    *PACKAGES,
    "connector/api",
    "sessions/engine",
    "sessions/worker",
    "sessions/inbox",
    "tests",
    "scripts",
    "docs",
)
NOT_OURS = {".git", ".venv", "data", "dist", "node_modules", "__pycache__"}
MOST_LINES = 500
MOST_SCRIPT_LINES = 40
PINNED = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?: ; [^\\]+)? \\$", re.MULTILINE)

# Each is written so that this file does not contain it.
FORBIDDEN = {
    "a folder of one machine": r"(?<![\w.])/(?:work|root|mnt|workspace)/[\w.]+|bash[_]jobs|\.\./[s]hared(?!/\w+\.js)",
    "the host of a package registry": r"pypi[.]org|python[h]osted\.org|npm[j]s\.(?:org|com)|deb[.]debian\.org|crates[.]io",
    "notes that are not part of the project": r"\b(?:fac[t]s|see[d]s)/[\w.]+|\bdesign[.]md",
}


@cache
def files() -> tuple[Path, ...]:
    """Answer every file of the project, tracked or not yet."""

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            hidden_cache = path.is_dir() and path.name.startswith(".") and path.name != ".ci"
            if path.name in NOT_OURS or hidden_cache:
                continue
            if path.is_dir():
                yield from walk(path)
            elif not path.is_symlink():
                yield path

    return tuple(walk(ROOT))


def named(*suffixes: str) -> list[Path]:
    return [path for path in files() if path.suffix in suffixes]


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts() -> Iterator[tuple[str, str]]:
    for path in files():
        try:
            yield short(path), path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def load_script(name: str) -> Any:
    spec = spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_file_is_longer_than_a_person_reads() -> None:
    """Code that grows past the hard ceiling is several things, and should be several files."""
    sizes = {short(path): len(path.read_text("utf-8").splitlines()) for path in named(".py")}
    assert {name: size for name, size in sizes.items() if size > MOST_LINES} == {}
    assert len(sizes) > 50, "the walk lost its way"


def test_the_packages_belong_to_this_project_alone() -> None:
    """`watchdog` is also the name of a file watcher that other tools pull in: it would overwrite ours."""
    owners = packages_distributions()
    assert {name: set(owners.get(name, [])) - {"vigia"} for name in PACKAGES} == {name: set() for name in PACKAGES}
    found = {name: find_spec(name) for name in PACKAGES}
    assert {name: spec and spec.origin for name, spec in found.items()} == {
        name: str(ROOT / name / "__init__.py") for name in PACKAGES
    }


def test_the_rooms_are_there() -> None:
    """Each package is a package; each folder has something in it."""
    assert [name for name in FOLDERS if not any((ROOT / name).iterdir())] == []
    assert [name for name in FOLDERS[: FOLDERS.index("tests")] if not (ROOT / name / "__init__.py").is_file()] == []


def test_no_python_hides_a_library() -> None:
    """`supabase/` with Python in it shadows the library of that name; so does a package under `tests/` the one it tests."""
    assert [short(path) for path in named(".py") if short(path).startswith("supabase/")] == []
    assert [short(path) for path in files() if short(path).startswith("tests/") and path.name == "__init__.py"] == []


def test_test_files_have_names_of_their_own() -> None:
    """Without packages around them, two of one name hide each other."""
    names = [path.name for path in files() if short(path).startswith("tests/") and path.name.startswith("test_")]
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


@pytest.mark.parametrize(("what", "pattern"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_nothing_of_one_machine_or_one_network_is_in_here(what: str, pattern: str) -> None:
    """A stranger's machine has other folders, and may have another registry."""
    found = [f"{name}: {match[0]}" for name, text in texts() for match in re.finditer(pattern, text)]
    assert found == [], what


@pytest.mark.parametrize(
    "line",
    [
        "cd /" + "work/main",
        "/" + "root/x",
        "https://" + "pypi" + ".org/simple",
        "see fac" + "ts/lab.md",
        "design" + ".md 3",
    ],
)
def test_the_forbidden_would_be_found(line: str) -> None:
    """A law that nothing can break is no law."""
    assert any(re.search(pattern, line) for pattern in FORBIDDEN.values())


def test_what_is_written_from_the_settings_is_current() -> None:
    """Run ./scripts/document after changing a setting."""
    written = load_script("write_configuration").files()
    assert {short(path): path.read_text("utf-8") for path in written} == {
        short(path): text for path, text in written.items()
    }


def test_what_is_written_from_the_events_is_current() -> None:
    """Run ./scripts/document after changing an event."""
    written = load_script("write_events").files()
    assert {name: (ROOT / name).read_text("utf-8") for name in written} == written


def test_what_the_page_says_in_portuguese_is_current() -> None:
    """Run ./scripts/document after changing connector/portuguese.py."""
    written = load_script("write_causes").files()
    assert {name: (ROOT / name).read_text("utf-8") for name in written} == written


def test_the_example_and_the_settings_name_the_same() -> None:
    """Both ways, each once, each with a line in English and one in Portuguese above it."""
    blocks = (ROOT / ".env.supabase.example").read_text("utf-8").strip().split("\n\n")[1:]
    names = [block.splitlines()[-1].removeprefix("# ").partition("=")[0] for block in blocks]
    assert names == [name.upper() for name in Settings.model_fields]
    assert [block for block in blocks if len(block.splitlines()) != 3] == []


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [Requirement(line) for line in project["project"]["dependencies"] + project["dependency-groups"]["dev"]]


def test_the_lock_satisfies_the_project() -> None:
    """Every requirement is locked, within its bounds; run ./scripts/lock after changing one."""
    text = (ROOT / "requirements.lock").read_text("utf-8")
    locked: dict[str, list[Version]] = {}
    for match in PINNED.finditer(text):
        locked.setdefault(canonicalize_name(match["name"]), []).append(Version(match["version"]))
    unmet = [
        str(one)
        for one in requirements()
        if not locked.get(name := canonicalize_name(one.name)) or not all(map(one.specifier.contains, locked[name]))
    ]
    assert unmet == []


def test_everything_locked_is_pinned_with_hashes() -> None:
    """Exactly one version a line, and no file that was changed on its way."""
    for name in ("requirements.lock", "scripts/uv.txt"):
        heads = [
            line for line in (ROOT / name).read_text("utf-8").splitlines() if line and not line.startswith((" ", "#"))
        ]
        assert [line for line in heads if not PINNED.match(line)] == []
        blocks = re.split(r"^(?=\S)", (ROOT / name).read_text("utf-8"), flags=re.MULTILINE)
        assert [block.split()[0] for block in blocks if block.strip() and "--hash=sha256:" not in block] == []


def scripts() -> list[Path]:
    return [path for path in files() if path.parent in (ROOT / "scripts", ROOT / ".ci") and not path.suffix]


def test_scripts_are_short_and_can_be_started() -> None:
    """One shell every machine has; they say what they do, and stop at the first failure."""
    assert scripts()
    for path in scripts():
        head, why, safe, *rest = path.read_text("utf-8").splitlines()
        assert os.access(path, os.X_OK), path
        assert (head, safe) == ("#!/bin/sh", "set -eu"), path
        assert why.startswith("# "), path
        assert len(rest) < MOST_SCRIPT_LINES, path


def test_every_script_is_explained() -> None:
    """scripts/README.md has a line for each."""
    text = (ROOT / "scripts" / "README.md").read_text("utf-8")
    there = {path.name for path in files() if path.parent == ROOT / "scripts" and path.name != "README.md"}
    assert set(re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)) == there


def test_links_in_pages_lead_somewhere() -> None:
    """Relative ones: to a file or folder of the project."""
    broken = [
        f"{short(page)}: {target}"
        for page in named(".md")
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
        if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", ["README.md", "README.pt-BR.md", "docs/architecture.md", "docs/benchmarks.md"])
def test_files_named_in_a_page_exist(name: str) -> None:
    """What stands in backticks and looks like a path of the project is one."""
    words = re.findall(r"`([\w./-]+)`", (ROOT / name).read_text("utf-8"))
    tops = {path.name for path in ROOT.iterdir()} - NOT_OURS
    paths = [word for word in words if word.removeprefix("./").split("/")[0] in tops]
    assert paths, "it names none"
    assert [word for word in paths if not (ROOT / word).exists()] == []
    assert [word for word in words if word.startswith("docs/") and not (ROOT / word).exists()] == []


def test_the_import_laws_hold() -> None:
    """A message only falls; only workers know the engine; the lab knows nobody. See pyproject.toml."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
