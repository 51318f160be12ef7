"""Where log lines go, and what may stand in them.

Our modules log through loguru, libraries through the standard library's `logging`, which is handed to loguru here. Each line passes
the redaction once, before any file or screen sees it, tracebacks included. `logger.bind` or `logger.contextualize` with one of
`_CONTEXT` puts that on the line.

    console        everything from LOG_LEVEL on
    combined.log   the same
    error.log      errors only
    server.log     the life of the service and its HTTP requests

A line is text, or a JSON object (LOG_FORMAT=json): time, level, name, message, error where there is one, and what is bound to it under
the names of `_CONTEXT`: each event is one line with its name, its connection, the reason, and what was before for how many seconds.
A file that has grown to its size is put aside compressed; the oldest of those are removed.

Lines are written by the thread that logs, not by a queue behind it (`enqueue`): what was logged is with the operating system when
the call returns, and survives `os._exit` and a killed process. One process writes these files; workers send their lines to it.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import msgspec
from loguru import logger

from connector.logfile import PrivateFile, Style
from sessions.redaction import Redactor

if TYPE_CHECKING:
    from types import TracebackType

    from loguru import Record

_LINE = "{time:YYYY-MM-DDTHH:mm:ss.SSSZ} {level: <8} {name}: {message}"
_COLOURED = "<dim>{time:YYYY-MM-DDTHH:mm:ss.SSSZ}</dim> <level>{level: <8}</level> {name}: {message}"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_CONTEXT = ("event", "connection", "reason", "before", "duration_s", "session", "action", "request")
_JSON = "as_json"
FILES_ONLY = "files_only"
"""Bound to a line, it keeps the line from the console: a traceback is for the files, where a person is told in a sentence."""
_SERVER_LOGGERS = ("connector.app", "connector.api", "aiohttp")
# Libraries whose ordinary lines say nothing to an operator.
_QUIET = {
    "asyncio": logging.WARNING,
    "apscheduler": logging.WARNING,
    "aiohttp.access": logging.INFO,
    "httpx": logging.WARNING,
    "urllib3": logging.WARNING,
}
# A line's own line ends and control characters could forge other lines, or move the cursor of a terminal.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u2029]")


class Logs:
    """The log of one process. `open` writes to the console, `open_files` to the folder too, `close` puts everything back."""

    def __init__(self, redact: Redactor, console: TextIO | None = None) -> None:
        self._redact = redact
        self._console = console or sys.stderr
        self._style = Style()
        self._sinks: list[int] = []
        self._undo: list[Callable[[], None]] = []

    def open(self, level: str = "INFO") -> None:
        """Take over every log line, warning and uncaught exception of this process, and write them to the console."""
        logger.remove()
        logger.configure(patcher=self._patch, extra={})
        self._take_over()
        self._add_console(level)

    def open_files(self, folder: Path, level: str, style: Style | None = None) -> None:
        """Write to the three files in *folder* as well, from *level* on."""
        self._style = style or Style()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_sinks()
        logging.getLogger().setLevel(level)
        self._add_console(level)
        self._add_file(folder / "combined.log", level)
        self._add_file(folder / "error.log", "ERROR")
        self._add_file(folder / "server.log", level, only=_is_of_the_server)

    def close(self) -> None:
        """Close the files and give logging, warnings and the hooks back as they were."""
        self._remove_sinks()
        logger.configure(patcher=_leave)
        while self._undo:
            self._undo.pop()()

    def _add_console(self, level: str) -> None:
        shown = self._console.isatty()
        self._sinks.append(
            logger.add(
                self._console,
                format=_json_line if self._style.json else _COLOURED if shown else _LINE,
                level=level,
                filter=_is_for_people,
                colorize=shown and not self._style.json,
                backtrace=False,
                diagnose=False,
            )
        )

    def _add_file(self, path: Path, level: str, only: Callable[[Record], bool] | None = None) -> None:
        handler = PrivateFile(path, self._console, self._style)
        line = _bare_json_line if self._style.json else _LINE
        self._sinks.append(logger.add(handler, format=line, level=level, filter=only, backtrace=False, diagnose=False))

    def _remove_sinks(self) -> None:
        while self._sinks:
            logger.remove(self._sinks.pop())

    def _patch(self, record: Record) -> None:
        """Make the whole text of a line first, then redact it once for all sinks."""
        extra = record["extra"]
        record["name"] = str(extra.get("source", record["name"]))
        fields: dict[str, str | float] = {}
        try:
            if self._style.json:
                fields = {name: self._cleaned(value) for name, value in _fields(record).items()}
                record["message"] = str(fields.pop("message"))
            else:
                record["message"] = self._clean(_whole_text(record)).replace("\n", "\n    ")
        except Exception as error:  # noqa: BLE001 - a line that cannot be hidden is not shown, and its caller must not notice
            record["message"] = f"A line could not be made readable ({type(error).__name__})."
        record["exception"] = None  # it stands in the text; a sink would add it again, as it is
        files_only = FILES_ONLY in extra
        extra.clear()
        if self._style.json:
            extra[_JSON] = _as_json(record, fields)
        if files_only:
            extra[FILES_ONLY] = True

    def _cleaned(self, value: str | float) -> str | float:
        return self._clean(value) if isinstance(value, str) else value

    def _clean(self, text: str) -> str:
        return _CONTROL.sub("\ufffd", self._redact(text))

    def _take_over(self) -> None:
        root = logging.getLogger()
        self._undo.append(partial(_put_back, root, root.handlers[:], root.level))
        root.handlers[:] = [_ToLoguru()]
        root.setLevel(logging.INFO)
        for name, floor in _QUIET.items():
            quiet = logging.getLogger(name)
            self._undo.append(partial(quiet.setLevel, quiet.level))
            quiet.setLevel(floor)
        logging.captureWarnings(True)
        self._undo.append(partial(logging.captureWarnings, False))
        self._undo.append(_take_over_hooks())


def _whole_text(record: Record) -> str:
    said = record["message"]
    more = {name: str(value) for name, value in _context(record).items()}
    text = said + "".join(f" {name}={value}" for name, value in more.items() if " " not in value or value not in said)
    return f"{text}\n{trace}" if (trace := _traceback(record)) else text


def _fields(record: Record) -> dict[str, str | float]:
    """What a line says, each under its name in a JSON object."""
    fields = {"message": record["message"], **_context(record)}
    return {**fields, "error": trace} if (trace := _traceback(record)) else fields


def _context(record: Record) -> dict[str, str | float]:
    extra = record["extra"]
    return {
        name: extra[name] if isinstance(extra[name], float) else str(extra[name]) for name in _CONTEXT if name in extra
    }


def _traceback(record: Record) -> str:
    caught = record["exception"]
    if caught is None or caught.value is None:
        return ""
    return "".join(traceback.format_exception(caught.type, caught.value, caught.traceback)).rstrip()


def _as_json(record: Record, fields: dict[str, str | float]) -> str:
    moment = record["time"].astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"time": moment, "level": record["level"].name, "name": record["name"], "message": record["message"]}
    return msgspec.json.encode({**told, **fields}).decode()


def _json_line(_record: Record) -> str:
    return "{extra[" + _JSON + "]}\n"


def _bare_json_line(_record: Record) -> str:
    return "{extra[" + _JSON + "]}"  # a handler of the standard library ends the line itself


def _is_for_people(record: Record) -> bool:
    return FILES_ONLY not in record["extra"]


def _is_of_the_server(record: Record) -> bool:
    return (record["name"] or "").startswith(_SERVER_LOGGERS)


def _put_back(root: logging.Logger, handlers: list[logging.Handler], level: int) -> None:
    root.handlers[:] = handlers
    root.setLevel(level)


def _take_over_hooks() -> Callable[[], None]:
    """Log what no code caught, in any thread or destructor; answer what puts the hooks back."""
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    log = logging.getLogger("python")

    def uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and not issubclass(kind, (KeyboardInterrupt, SystemExit)):
            log.critical("Nothing caught this.", exc_info=(kind, error, trace))

    def put_back() -> None:
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks

    sys.excepthook = uncaught
    threading.excepthook = lambda args: uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: uncaught(args.exc_type, args.exc_value, args.exc_traceback)
    return put_back


class _ToLoguru(logging.Handler):
    """Hands a line of the standard library's logging to loguru, with its logger's name, context and exception."""

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: str(record.__dict__[name]) for name in _CONTEXT if name in record.__dict__}
        bound = logger.bind(source=record.name, **extra).opt(exception=record.exc_info)
        level = record.levelname if record.levelname in _LEVELS else record.levelno
        bound.log(level, _message(record))


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - the standard answer prints the arguments, unhidden, to stderr
        text = f"{record.msg} (its arguments do not fit)"
    return f"{text}\n{record.stack_info}" if record.stack_info else text


def _leave(_record: Record) -> None:
    """Patch nothing: loguru takes no None for "no patcher" once one was set."""
