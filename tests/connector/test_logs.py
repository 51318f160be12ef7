"""What reaches the log files and the console: everything that was said, and nothing that must not be read."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from loguru import logger

from connector import logfile, logs
from connector.logfile import Style
from connector.logs import Logs
from sessions.redaction import Redactor

NUMBER = "5511987654321"
BODY = "meet me at noon"
KEY = "planted-api-key"
PLANTED = f"{NUMBER} +55 (11) 98765-4321 {NUMBER}:3@s.whatsapp.net text='{BODY}' {KEY} Bearer abcdefghij password=hunter2hunter2"
FORBIDDEN = (NUMBER, "98765-4321", BODY, KEY, "abcdefghij", "hunter2hunter2")
FILES = ("combined.log", "error.log", "server.log")


@pytest.fixture
def console() -> io.StringIO:
    """Stand in for the terminal."""
    return io.StringIO()


@pytest.fixture
def log(own_folder: Path, console: io.StringIO) -> Iterator[Logs]:
    """Log at DEBUG to the folder `logs`, knowing the service's key."""
    opened = Logs(Redactor(KEY), console)
    opened.open()
    opened.open_files(own_folder / "logs", "DEBUG")
    yield opened
    opened.close()


def read(name: str) -> str:
    return (Path("logs") / name).read_text("utf-8")


class Unprintable:
    """An argument that cannot be formatted."""

    def __str__(self) -> str:
        raise ValueError(PLANTED)


def fail(error: Exception, cause: Exception | None = None) -> NoReturn:
    raise error from cause


def in_a_message() -> None:
    logger.error("said " + PLANTED)


def in_an_argument() -> None:
    logger.error("said {} and {text}", PLANTED, text=PLANTED)


def in_the_context() -> None:
    logger.bind(session=PLANTED, request=PLANTED, other=PLANTED).error("said")


def in_an_exception() -> None:
    try:
        fail(ValueError(PLANTED))
    except ValueError:
        logger.exception("said")


def in_a_chain() -> None:
    try:
        try:
            fail(KeyError(PLANTED))
        except KeyError as error:
            fail(RuntimeError(PLANTED), error)
    except RuntimeError:
        logger.exception("said " + PLANTED)


def in_a_group() -> None:
    try:
        fail(ExceptionGroup(PLANTED, [ValueError(PLANTED), ExceptionGroup("inner", [OSError(5, PLANTED, PLANTED)])]))
    except ExceptionGroup:
        logger.exception("said")


def in_a_note() -> None:
    try:
        error = ValueError("said")
        error.add_note(PLANTED)
        fail(error)
    except ValueError:
        logger.exception("said")


def in_the_standard_library() -> None:
    logging.getLogger("some.library").error("said %s", PLANTED)


def in_a_library_exception() -> None:
    try:
        fail(ValueError(PLANTED))
    except ValueError:
        logging.getLogger("some.library").exception("said", stack_info=True)


def in_arguments_that_do_not_fit() -> None:
    logging.getLogger("some.library").error("said %d", PLANTED)


def in_an_unprintable_argument() -> None:
    logging.getLogger("some.library").error("said %s", Unprintable())


def in_a_warning() -> None:
    warnings.warn(f"said {PLANTED}", RuntimeWarning, stacklevel=1)
    logger.error("said")


def in_a_thread() -> None:
    thread = threading.Thread(target=fail, args=[ValueError(f"said {PLANTED}")], name="planted")
    thread.start()
    thread.join()


def in_the_loop() -> None:
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": f"said {PLANTED}", "exception": ValueError(PLANTED), "task": PLANTED})
    loop.close()


def in_several_lines() -> None:
    logger.error(f"said\n{PLANTED}\n  {PLANTED}")


def nowhere_caught() -> None:
    sys.excepthook(ValueError, ValueError(f"said {PLANTED}"), None)


WAYS = [value for name, value in list(globals().items()) if name.startswith(("in_", "nowhere_"))]


@pytest.mark.parametrize("plant", WAYS, ids=lambda way: way.__name__)
def test_nothing_planted_can_be_read_anywhere(
    log: Logs, console: io.StringIO, monkeypatch: pytest.MonkeyPatch, plant: Callable[[], None]
) -> None:
    """Whichever way a number, a body or a secret comes in: not in a file, not on the console, yet the line is there."""
    ours = [handler for handler in logging.getLogger().handlers if type(handler).__module__ == logs.__name__]
    monkeypatch.setattr(logging.getLogger(), "handlers", ours)  # pytest's own raise what ours has to survive
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # pytest has its own hand on warnings here: take over anew, inside
        logging.captureWarnings(True)
        plant()
    everything = console.getvalue() + "".join(map(read, FILES))
    assert [word for word in FORBIDDEN if word in everything] == []
    assert "said" in console.getvalue()
    assert "said" in read("combined.log")
    assert "said" in read("error.log")


def test_the_engines_own_prints_come_through_the_same_door(log: Logs, console: io.StringIO) -> None:
    """A worker's line is logged like any other, so it is hidden like any other."""
    logger.debug(
        "{}: {}",
        "w1",
        f'2026-11-21 [Client DEBUG] Received <message from="{NUMBER}@s.whatsapp.net"/> conversation:"{BODY}"',
    )
    assert "***4321@s.whatsapp.net" in console.getvalue()
    assert BODY not in console.getvalue() + read("combined.log")


def test_what_an_operator_needs_is_kept(log: Logs) -> None:
    """Times, ids, ports and durations stay; the context stands at the end."""
    session = "550e8400-e29b-41d4-a716-446655440000"
    logger.bind(session=session, action="reconnect").info("connected on port 3001 after 1.234 s")
    [line] = read("combined.log").splitlines()
    assert line.endswith(
        f"INFO     {__name__}: connected on port 3001 after 1.234 s session={session} action=reconnect"
    )


def test_each_file_has_its_lines(log: Logs) -> None:
    """All in combined, errors in error, the service's life and its requests in server."""
    logging.getLogger("connector.app").info("life")
    logging.getLogger("connector.api.server").info("access")
    logging.getLogger("sessions.fleet").error("trouble")
    logging.getLogger("aiohttp.server").error("odd request")

    def words(name: str) -> list[str]:
        return [line.partition(": ")[2] for line in read(name).splitlines()]

    assert words("combined.log") == ["life", "access", "trouble", "odd request"]
    assert words("error.log") == ["trouble", "odd request"]
    assert words("server.log") == ["life", "access", "odd request"]


def test_the_level_holds_for_all_but_errors(own_folder: Path, console: io.StringIO) -> None:
    """LOG_LEVEL=WARNING says nothing of ordinary life, anywhere."""
    log = Logs(Redactor(), console)
    log.open()
    log.open_files(own_folder / "logs", "WARNING")
    logger.info("ordinary")
    logging.getLogger("library").info("ordinary")
    logger.warning("odd")
    log.close()
    assert "ordinary" not in console.getvalue() + read("combined.log")
    assert console.getvalue().count("odd") == 1


def test_chatty_libraries_are_held_down(log: Logs) -> None:
    """Even at DEBUG a scheduler's or the loop's ordinary lines would bury the rest."""
    logging.getLogger("apscheduler.executors").info("job ran")
    logging.getLogger("asyncio").info("using selector")
    logging.getLogger("asyncio").warning("slow callback")
    assert [line.rpartition(": ")[2] for line in read("combined.log").splitlines()] == ["slow callback"]


def test_no_text_can_forge_a_line_or_steer_a_terminal(log: Logs) -> None:
    """Line ends inside a line are indented, control characters are gone."""
    logger.error("first\n2026-11-21T00:00:00Z INFO forged\r\x1b[2Jgone\u2028x")
    lines = read("combined.log").splitlines()
    assert len(lines) == 2
    assert lines[1] == "    2026-11-21T00:00:00Z INFO forged\ufffd\ufffd[2Jgone\ufffdx"


def test_a_redaction_that_fails_shows_nothing(own_folder: Path, console: io.StringIO) -> None:
    """The caller does not notice, and the text stays hidden."""

    class Broken(Redactor):
        def __call__(self, text: str) -> str:
            raise RecursionError(text)

    log = Logs(Broken(), console)
    log.open()
    logger.error(PLANTED)
    log.close()
    assert "A line could not be made readable (RecursionError)" in console.getvalue()
    assert NUMBER not in console.getvalue()


def test_files_are_for_their_owner_only(own_folder: Path, console: io.StringIO) -> None:
    """New ones, those put aside, and one that lay open before."""
    folder = own_folder / "logs"
    folder.mkdir()
    (folder / "combined.log").touch(0o644)
    log = Logs(Redactor(), console)
    log.open()
    log.open_files(folder, "INFO")
    logger.error("x")
    log.close()
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in FILES} == {0o600}


def test_files_are_put_aside_by_size(log: Logs) -> None:
    """So many of so much, compressed, and no more."""
    log.close()
    log.open()
    log.open_files(Path("logs"), "INFO", Style(file_bytes=1000, files_kept=3))
    for number in range(100):
        logger.info(f"line {number} " + "." * 100)
    log.close()
    names = sorted(path.name for path in Path("logs").glob("combined.log*"))
    assert names == ["combined.log", *(f"combined.log.{number}.gz" for number in (1, 2, 3))]
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path("logs").iterdir()} == {0o600}
    older = [gzip.decompress((Path("logs") / name).read_bytes()).decode() for name in reversed(names[1:])]
    kept = "".join([*older, read("combined.log")])
    numbers = [int(line.split("line ")[1].split()[0]) for line in kept.splitlines()]
    assert numbers == list(range(numbers[0], 100))
    assert len(numbers) > 15


def test_what_a_process_left_uncompressed_is_compressed_by_the_next(own_folder: Path, console: io.StringIO) -> None:
    """It was ended in the middle."""
    folder = own_folder / "logs"
    folder.mkdir()
    (folder / "error.log.1.gz.raw").write_text("as it was\n")
    log = Logs(Redactor(), console)
    log.open()
    log.open_files(folder, "INFO")
    log.close()
    assert gzip.decompress((folder / "error.log.1.gz").read_bytes()) == b"as it was\n"
    assert not (folder / "error.log.1.gz.raw").exists()


def test_json_lines_say_what_text_lines_say_and_hide_the_same(log: Logs, console: io.StringIO) -> None:
    """One object a line, tracebacks too, in files and on the console; nothing planted gets through."""
    log.close()
    log.open()
    log.open_files(Path("logs"), "DEBUG", Style(json=True))
    console.truncate(0)
    console.seek(0)
    for plant in (in_a_message, in_an_argument, in_the_context, in_an_exception):
        plant()
    logger.bind(session="s1", request="r1").info("two\nlines {braces} \x1b[31m")
    log.close()
    lines = read("combined.log").splitlines()
    assert lines == console.getvalue().splitlines()
    told = [json.loads(line) for line in lines]
    assert len(told) == 5
    assert told[4]["message"] == "two\nlines {braces} \ufffd[31m"
    assert (told[4]["session"], told[4]["request"], told[4]["level"]) == ("s1", "r1", "INFO")
    assert told[4]["time"].endswith("Z")
    assert "ValueError" in told[3]["error"]
    assert not [word for word in FORBIDDEN if word in "".join(lines)]


EVENT = {
    "event": "disconnected",
    "connection": "loja",
    "reason": "unreachable",
    "before": "connected",
    "duration_s": 12345678.9,
}


def test_the_fields_of_an_event_are_in_its_line(log: Logs) -> None:
    """A reason that the sentence has in it is not said twice; a duration is no phone number, and a number that is one is hidden."""
    logger.info("{}", "The connection is down.", **EVENT)
    logger.info("{}", "It is parked: no key {.", event="queueParked", reason="no key {.")
    logger.info("{}", "It is connected.", connection=NUMBER, reason="connected")
    log.close()
    first, second, third = (line.partition(": ")[2] for line in read("combined.log").splitlines())
    fields = "event=disconnected connection=loja reason=unreachable before=connected duration_s=12345678.9"
    assert first == f"The connection is down. {fields}"
    assert second == "It is parked: no key {. event=queueParked"
    assert third == "It is connected. connection=***4321 reason=connected"


def test_the_fields_of_an_event_are_fields_in_json(log: Logs) -> None:
    """For programs: each under its name, and a duration as a number of seconds."""
    log.close()
    log.open()
    log.open_files(Path("logs"), "DEBUG", Style(json=True))
    logger.info("{}", "The connection is down.", **EVENT)
    log.close()
    told = json.loads(read("combined.log"))
    assert {name: told[name] for name in EVENT} == EVENT
    assert told["message"] == "The connection is down."


class FullDisk:
    """A stream on a disk with no space left, until there is some."""

    def __init__(self) -> None:
        self.full = True
        self.written = ""

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        self.written += text
        return len(text)

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def tell(self) -> int:
        return 0

    def seek(self, *_where: int) -> int:
        return 0


def test_a_full_disk_is_said_once_and_stops_nothing(
    own_folder: Path, console: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence a file, no traceback; lines come again when there is space."""
    disk = FullDisk()
    monkeypatch.setattr(logfile.PrivateFile, "_open", lambda _self: disk)
    log = Logs(Redactor(), console)
    log.open()
    log.open_files(own_folder / "logs", "INFO")
    for number in range(5):
        logger.info(f"line {number}")
    told = console.getvalue()
    assert told.count("cannot be written: [Errno 28] No space left on device") == 1
    assert "Traceback" not in told
    assert "line 4" in told
    disk.full = False
    logger.info("line 5")
    assert "line 5" in disk.written
    disk.full = True
    logger.info("line 6")
    assert console.getvalue().count("No space left") == 2
    log.close()


DIE = """
import os, sys
from pathlib import Path
from loguru import logger
from connector.logfile import Style
from connector.logs import Logs
from sessions.redaction import Redactor
log = Logs(Redactor())
log.open()
log.open_files(Path("logs"), "INFO")
for number in range(200):
    logger.info(f"line {number}.")
os._exit(7)
"""


def test_what_was_logged_survives_an_end_without_clean_up(own_folder: Path) -> None:
    """That is why no queue stands between a line and its file."""
    ended = subprocess.run([sys.executable, "-c", DIE], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 7, ended.stderr
    assert [line.rpartition(" ")[2] for line in read("combined.log").splitlines()] == [
        f"{number}." for number in range(200)
    ]


def test_closing_puts_everything_back(own_folder: Path, console: io.StringIO) -> None:
    """Handlers, level, hooks: as if it had never been."""
    root = logging.getLogger()
    before = (
        root.handlers[:],
        root.level,
        sys.excepthook,
        threading.excepthook,
        sys.unraisablehook,
        warnings.showwarning,
    )
    log = Logs(Redactor(), console)
    log.open()
    assert root.handlers != before[0]
    log.close()
    assert before == (
        root.handlers,
        root.level,
        sys.excepthook,
        threading.excepthook,
        sys.unraisablehook,
        warnings.showwarning,
    )
    logger.error("nobody hears this")
    assert console.getvalue() == ""
