"""The engine's tables, read by a child process and kept in a file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab import dictionary as module
from lab.codec import Node
from lab.dictionary import Dictionary, DictionaryError, load
from lab.engine_tables import TablesError, main

CHECK = json.loads(Path(__file__).parents[1].joinpath("vectors.json").read_text())["codec_dictionary_check"]


def fingerprint(words):
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def test_the_tables_are_the_published_ones(dictionary):
    assert len(dictionary.single) == CHECK["single_count"]
    assert [len(table) for table in dictionary.double] == CHECK["double_counts"]
    assert fingerprint(dictionary.single) == CHECK["sha256_of_single_joined_by_newline"]
    assert [fingerprint(table) for table in dictionary.double] == CHECK["sha256_of_each_double_joined_by_newline"]


@pytest.mark.parametrize("sample", CHECK["samples"], ids=lambda sample: sample["token_text"])
def test_a_word_is_one_byte(codec, sample):
    assert codec.encode(Node(sample["token_text"])) == b"\x00\xf8\x01" + bytes.fromhex(sample["encoded"])


def test_the_second_call_asks_no_engine(tmp_path, monkeypatch):
    kept = Dictionary(("", "a"), (("b",),), (b"c",))
    monkeypatch.setattr(module, "_run_child", lambda output: output.write_bytes(_packed(kept)))
    assert load(tmp_path) == kept
    monkeypatch.setattr(module, "_run_child", lambda output: pytest.fail("asked again"))
    assert load(tmp_path) == kept


@pytest.mark.parametrize("left", [b"", b"\xc1", b"\x80", b"half a file"])
def test_a_damaged_file_is_made_anew(tmp_path, monkeypatch, left):
    kept = Dictionary(("", "a"), (), ())
    monkeypatch.setattr(module, "_run_child", lambda output: output.write_bytes(_packed(kept)))
    load(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(left)
    assert load(tmp_path) == kept


def test_two_processes_may_ask_at_once(tmp_path, dictionary):
    program = "import sys, pathlib; from lab.dictionary import load; print(len(load(pathlib.Path(sys.argv[1])).single))"
    cache = tmp_path / "not" / "there" / "yet"
    command = [sys.executable, "-c", program, str(cache)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [child.communicate(timeout=60)[0].strip() for child in children] == ["236", "236"]
    assert [file.suffix for file in cache.iterdir()] == [".msgpack"]
    assert load(cache) == dictionary


def test_neither_this_process_nor_the_child_imports_the_engine(tmp_path):
    """The child loads only the library: the engine's Python side would need libmagic, which a machine may not have."""
    (tmp_path / "magic.py").write_text("raise SystemExit('libmagic was wanted')")
    program = (
        "import sys, pathlib; from lab.dictionary import load; load(pathlib.Path(sys.argv[1]));"
        "sys.exit(any('neonize' in name for name in sys.modules))"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "cache")],
        env={"PYTHONPATH": f"{tmp_path}:{Path(module.__file__).parents[1]}"},
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (child.returncode, child.stderr) == (0, "")


def test_an_engine_that_is_not_installed_is_said_plainly(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ENGINE", "no-such-engine")
    with pytest.raises(DictionaryError, match="no-such-engine is not installed"):
        load(tmp_path)


def test_a_package_without_the_library_is_refused(tmp_path):
    with pytest.raises(TablesError, match="no shared library"):
        main("msgspec", str(tmp_path / "tables"))


def test_a_child_that_fails_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_engine_version", lambda: "0")
    monkeypatch.setattr(module, "ENGINE", "no_such_package")
    with pytest.raises(DictionaryError, match="no package no_such_package"):
        load(tmp_path)
    assert list(tmp_path.iterdir()) == []


def _packed(dictionary):
    return module.msgspec.msgpack.encode(dictionary)
