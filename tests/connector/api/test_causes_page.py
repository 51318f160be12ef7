"""The operator's page says in Portuguese whatever the service says is wrong: no sentence of the service is missing there."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from connector.guard import InternalAddress
from connector.sinks import answers
from connector.sinks.causes import of_store
from connector.spool.sink import Poison
from connector.store import causes
from connector.store.embedded import DOWN, STARTS
from connector.store.errors import Misconfigured, Offline, StoreError, of_sqlstate
from sessions.redaction import Redactor

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "web/operator/causes.js").read_text("utf-8")
PAIRS = [
    (json.loads(english), json.loads(portuguese))
    for english, portuguese in re.findall(r'^  ("(?:[^"\\]|\\.)*"): ("(?:[^"\\]|\\.)*"),$', PAGE, re.MULTILINE)
]
KNOWN = [re.compile("(.+?)".join(map(re.escape, english.split("{}"))), re.DOTALL) for english, _ in PAIRS]
STATES = ["28P01", "3D000", "25006", "42501", "42P01", "42883", "3F000", "57P03", "53300", "0A000"]
CALLS = {"Misconfigured", "Offline", "Wait", "Park"}
NEVER_SHOWN = ("connector/store/cluster.py",)
"""What ends the start of the embedded database, or is the value in the sentence that it does not run."""


def said(sentence: str) -> bool:
    return any(one.fullmatch(sentence) for one in KNOWN)


def spoken() -> Iterator[str]:
    """Answer what the code itself says, 7 where a value goes."""
    for folder in ("connector/store", "connector/sinks", "connector/spool"):
        for path in (ROOT / folder).rglob("*.py"):
            if str(path.relative_to(ROOT)) not in NEVER_SHOWN:
                yield from _said_in(path)
    for node in ast.walk(ast.parse((ROOT / "watchdog/checks.py").read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr) and (text := _text(node)).endswith(".") and " " in text:
            yield text.replace("The 7 has", "The database has")


def _said_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS and node.args:
            text = _text(node.args[0])
            if " " in text and path.name not in ("causes.py", "embedded.py", "answers.py"):  # asked below
                yield text[:1].upper() + text[1:].rstrip(".") + "."


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def refused() -> Iterator[StoreError]:
    yield from (of_sqlstate(state, "SomeError") for state in STATES)
    for code in ("PGRST000", "PGRST202", "PGRST301", "PGRSTX00", "PGRST106", "PGRST117", "PGRST999", *STATES):
        yield causes.meaning(causes.Answer(400, code))
    for status in (301, 401, 402, 403, 404, 407, 408, 429, 500, 503, 540):
        yield causes.meaning(causes.Answer(status))
    yield from (
        Misconfigured(causes.ELSEWHERE),
        Misconfigured(causes.PROXY),
        Offline("Supabase cannot be reached (OSError)"),
    )


def receiver_said(status: int) -> answers.Trouble | None:
    return answers.of_status(status, None, datetime.now(UTC))


def test_what_the_code_says() -> None:
    """Every sentence with which a queue waits or is parked, and every finding of the watchdog."""
    found = list(spoken())
    assert len(found) > 20
    found += [STARTS, DOWN.format("postgres.log")]
    assert [text for text in found if not said(text)] == []


def test_what_the_database_is_refused_with() -> None:
    """By table: PostgreSQL's states, Supabase's codes and answers."""
    verdicts = [of_store(error) for error in refused()]
    assert [one.reason for one in verdicts if not isinstance(one, Poison) and not said(one.reason)] == []


def test_what_receivers_answer() -> None:
    """Every status, and no answer at all."""
    troubles = [receiver_said(status) for status in range(300, 600)]
    troubles += [
        answers.of_failure(error)
        for error in (InternalAddress(), aiohttp.InvalidURL("x"), TimeoutError(), aiohttp.ServerDisconnectedError())
    ]
    reasons = {one.verdict.reason for one in troubles if one and not isinstance(one.verdict, Poison)}
    assert [reason for reason in reasons if not said(reason)] == []
    assert said(
        "The webhook's receiver refuses this event (422). So it did to the last 21: check WEBHOOK_SECRET on both sides."
    )


def test_the_log_says_what_to_do() -> None:
    """What hides secrets there takes none of it for one: "password: correct" looked like a password. Codes of eight letters do."""
    redact = Redactor()
    spoken_of = [*spoken(), *(of_store(error).reason for error in refused())]
    spoken_of += [one.verdict.reason for status in range(300, 600) if (one := receiver_said(status))]
    assert [text for text in spoken_of if "PGRST" not in text and redact(text) != text] == []


@pytest.mark.parametrize(("english", "portuguese"), PAIRS)
def test_no_value_comes_from_nowhere(english: str, portuguese: str) -> None:
    """A value in the Portuguese sentence is one of the English, and names in capitals stay what they are."""
    assert portuguese.count("{}") <= english.count("{}")
    names = re.compile(r"\b[A-Z]+_[A-Z_]+\b|`[^`]+`")
    assert set(names.findall(english)) <= set(names.findall(portuguese))


def test_there_are_many() -> None:
    """The page can be read at all."""
    assert len(PAIRS) > 60
