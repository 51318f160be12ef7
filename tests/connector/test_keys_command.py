"""The command `vigia keys`: where a secret lies, what it is, a new one."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from connector import __main__ as command
from connector import keyfile
from connector.datadir import DataDir, DataDirLock, holder, prepare
from connector.failures import ExitCode

Out = pytest.CaptureFixture[str]


def vigia(capsys: Out, *words: str) -> tuple[int, str, str]:
    """Run the command and answer its status and what it said."""
    capsys.readouterr()
    status = command.main(["keys", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize(("words", "name"), [((), "api-key"), (("--webhook",), "webhook-secret")])
def test_a_secret_is_shown_and_renewed(own_folder: Path, capsys: Out, words: tuple[str, ...], name: str) -> None:
    """Its place to everybody, itself to whoever asks for it."""
    file = own_folder / "data" / name
    status, said, _ = vigia(capsys, "show", *words)
    assert (status, file.exists()) == (ExitCode.STOPPED, False)
    assert said.endswith(f"yet: the first start makes it, in {file}.\n")
    status, said, told = vigia(capsys, "show", "--reveal", *words)
    assert (status, said) == (ExitCode.DATA_DIR, "")
    assert told.count("\n") == 1
    assert vigia(capsys, "rotate", *words)[0] == ExitCode.STOPPED
    first = file.read_text().strip()
    status, said, _ = vigia(capsys, "show", *words)
    assert status == ExitCode.STOPPED
    assert said.endswith(f" is in {file}.\n")
    assert first not in said
    assert vigia(capsys, "show", "--reveal", *words) == (ExitCode.STOPPED, first + "\n", "")
    status, said, _ = vigia(capsys, "rotate", *words)
    assert file.read_text().strip() not in (first, "")
    assert file.read_text().strip() not in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {path.name for path in file.parent.iterdir()} == {name}
    assert ("Give it to the receiver" in said) is bool(words)


def test_a_secret_of_a_setting_is_not_ours_to_change(
    own_folder: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown on request, and its place otherwise."""
    monkeypatch.setenv("API_KEY", "planted-key-of-somebody")
    assert vigia(capsys, "show")[1] == "The API key is the one in API_KEY (environment or .env.supabase).\n"
    assert vigia(capsys, "show", "--reveal")[1] == "planted-key-of-somebody\n"
    status, said, told = vigia(capsys, "rotate")
    assert (status, said) == (ExitCode.USAGE, "")
    assert told == (
        "vigia: The API key is the one in API_KEY: change it there, or unset it and let the service make one.\n"
    )
    assert not (own_folder / "data").exists()


def test_who_runs_is_told_that_it_keeps_the_old_one(own_folder: Path, capsys: Out) -> None:
    """By the process that it is."""
    data = prepare(own_folder / "data")
    assert holder(data) == 0
    with DataDirLock(data):
        assert f"(process {data.lock.read_text().strip()}) goes on with the old one" in vigia(capsys, "rotate")[1]
    assert holder(data) == 0
    assert "goes on" not in vigia(capsys, "rotate")[1]


def test_a_damaged_key_is_told_not_shown(own_folder: Path, capsys: Out) -> None:
    """With what to do."""
    data = prepare(own_folder / "data")
    data.api_key.write_bytes(b"half a \x00")
    for words in (("show",), ("show", "--reveal")):
        status, said, told = vigia(capsys, *words)
        assert (status, said) == (ExitCode.DATA_DIR, "")
        assert "is damaged: remove the file" in told
    assert vigia(capsys, "rotate")[0] == ExitCode.STOPPED


def test_a_key_that_cannot_be_replaced_stays(own_folder: Path, capsys: Out) -> None:
    """Here its name is a folder's."""
    data = prepare(own_folder / "data")
    data.api_key.mkdir()
    status, said, told = vigia(capsys, "rotate")
    assert (status, said) == (ExitCode.DATA_DIR, "")
    assert told.startswith(f"vigia: The key in {data.api_key} cannot be replaced (")
    assert [path.name for path in data.path.iterdir()] == ["api-key"]


def test_a_reader_meanwhile_gets_a_whole_key(own_folder: Path) -> None:
    """The old one's file is not written into."""
    path = DataDir(own_folder).api_key
    old = keyfile.read_or_make(path).value
    with path.open() as reader:
        new = keyfile.replace(path).value
        assert reader.read().strip() == old
    assert keyfile.read_or_make(path).value == new != old
