"""One line in the log for each event: what it says in English, whose it is, why, and how long what is over lasted.

Of a message the line says that there was one: no content, no number. Those are many, and are told at DEBUG alone.
"""

from __future__ import annotations

from typing import Any

from loguru import logger

from connector.events.registry import BY_NAME, EventType, Severity
from connector.facts import ConnectionRef, Fact


def of_event(kind: EventType, told: Fact) -> None:
    """Log an event about a connection or the service. *told*: its data, with its sentences."""
    level = "INFO" if kind.severity is Severity.INFO else "WARNING"
    reason = told.get("reason") or told.get("problem") or told.get("why") or ", ".join(told.get("reasons", ()))
    log(level, told["messageEn"], kind.name, told.get("connectionId"), reason, told.get("before"), told.get("afterS"))


def of_message(name: str, connection: ConnectionRef, data: Fact) -> None:
    """Log an event about a message: of its data, what became of it, and the code of why."""
    log("DEBUG", BY_NAME[name].en.replace("{status}", data.get("status", "")), name, connection.id, data.get("error"))


def log(
    level: str,
    sentence: str,
    event: str | None,
    connection: str | None,
    reason: str | None = None,
    before: str | None = None,
    duration_s: float | None = None,
) -> None:
    """Log *sentence* with these fields, those left out that are empty. `before`: what was the reason until now, for `duration_s`."""
    fields: dict[str, Any] = {"event": event, "connection": connection, "reason": reason, "before": before}
    known = {name: value for name, value in fields.items() if value}
    if duration_s is not None:
        known["duration_s"] = duration_s
    logger.log(level, "{}", sentence, **known)
