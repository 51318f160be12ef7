"""What Supabase's answers mean, row by row: wait, have somebody mend it, or never again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from connector.store import causes
from connector.store.causes import Answer, meaning
from connector.store.errors import Barred, Misconfigured, Offline, Rejected, StoreError

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


CAUSES: list[tuple[int, str | None, type[StoreError], str]] = [
    # PostgREST's own codes
    (503, "PGRST000", Offline, causes.AWAY),
    (503, "PGRST001", Offline, causes.AWAY),
    (503, "PGRST002", Offline, causes.AWAY),
    (504, "PGRST003", Offline, causes.AWAY),
    (400, "PGRST102", Rejected, "cannot read"),
    (406, "PGRST106", Misconfigured, causes.NOT_EXPOSED),
    (405, "PGRST117", Misconfigured, causes.ELSEWHERE),
    (404, "PGRST125", Misconfigured, causes.ELSEWHERE),
    (404, "PGRST126", Misconfigured, causes.ELSEWHERE),
    (404, "PGRST202", Misconfigured, causes.NO_SCHEMA),
    (300, "PGRST203", Misconfigured, causes.NO_SCHEMA),
    (400, "PGRST204", Misconfigured, causes.NO_SCHEMA),
    (404, "PGRST205", Misconfigured, causes.NO_SCHEMA),
    (500, "PGRST300", Misconfigured, causes.WRONG_KEY),
    (401, "PGRST301", Misconfigured, causes.WRONG_KEY),
    (401, "PGRST302", Misconfigured, causes.WRONG_KEY),
    (401, "PGRST303", Misconfigured, causes.WRONG_KEY),
    (500, "PGRSTX00", Offline, causes.FAULT),
    (400, "PGRST199", Misconfigured, "newer Vigia"),
    # PostgreSQL's, with the status that PostgREST gives them
    (503, "08006", Offline, "08006"),
    (405, "25006", Misconfigured, causes.READ_ONLY),
    (500, "40001", Offline, "40001"),
    (500, "40P01", Offline, "40P01"),
    (503, "53100", Offline, "disk is full"),
    (503, "53200", Offline, "53200"),
    (503, "53300", Offline, "no more connections"),
    (500, "55P03", Offline, "55P03"),
    (500, "57014", Offline, "57014"),
    (500, "57P01", Offline, "57P01"),
    (500, "58030", Offline, "58030"),
    (500, "XX000", Offline, "XX000"),
    (403, "28P01", Misconfigured, causes.WRONG_KEY),
    (403, "42501", Misconfigured, causes.NO_GRANT),
    (401, "42501", Misconfigured, causes.NO_GRANT),
    (404, "42P01", Misconfigured, causes.NO_SCHEMA),
    (404, "42883", Misconfigured, causes.NO_SCHEMA),
    (400, "42703", Misconfigured, causes.NO_SCHEMA),
    (404, "3F000", Misconfigured, causes.NO_SCHEMA),
    (400, "0A000", Misconfigured, "0A000"),
    (400, "21000", Rejected, "21000"),
    (400, "22021", Rejected, "22021"),
    (400, "22P02", Rejected, "22P02"),
    (400, "23502", Rejected, "23502"),
    (409, "23503", Rejected, "23503"),
    (409, "23505", Rejected, "23505"),
    (400, "23514", Rejected, "23514"),
    (500, "54000", Rejected, "54000"),
    (400, "P0001", Rejected, "P0001"),
    # a gateway's, a proxy's, a login page's: no code, or none that means anything
    (200, None, Offline, causes.NO_POSTGREST),
    (204, None, Offline, causes.NO_POSTGREST),
    (301, None, Misconfigured, causes.ELSEWHERE),
    (302, None, Offline, causes.NO_POSTGREST),
    (308, None, Misconfigured, causes.ELSEWHERE),
    (400, None, Offline, causes.NO_POSTGREST),
    (401, None, Misconfigured, causes.WRONG_KEY),
    (402, None, Misconfigured, causes.RESTRICTED),
    (403, None, Barred, causes.BARRED),
    (404, None, Offline, causes.NO_POSTGREST),
    (406, None, Offline, causes.NO_POSTGREST),
    (407, None, Misconfigured, causes.PROXY),
    (408, None, Offline, causes.BUSY),
    (413, None, Rejected, causes.TOO_LARGE),
    (425, None, Offline, causes.BUSY),
    (429, None, Offline, causes.BUSY),
    (500, None, Offline, causes.FAULT),
    (502, None, Offline, causes.FAULT),
    (503, None, Offline, causes.BUSY),
    (504, None, Offline, causes.FAULT),
    (520, None, Offline, causes.FAULT),
    (521, None, Offline, causes.FAULT),
    (522, None, Offline, causes.FAULT),
    (540, None, Misconfigured, causes.PAUSED),
    (500, "SUP", Offline, causes.FAULT),
    (429, "over_request_rate_limit", Offline, causes.BUSY),
]


@pytest.mark.parametrize(("status", "code", "kind", "says"), CAUSES)
def test_an_answer_says_what_to_do_next(status: int, code: str | None, kind: type[StoreError], says: str) -> None:
    told = meaning(Answer(status, code), NOW)
    assert type(told) is kind
    where = f" (HTTP {status}{f', {code}' if code else ''})"
    assert where in str(told)
    assert says in str(told).replace(where, "")


def test_every_cause_of_the_tables_is_tried_above() -> None:
    """A row that is added without its test fails here."""
    codes, statuses = {row[1] for row in CAUSES}, {row[0] for row in CAUSES if row[1] is None}
    assert set(causes._BY_CODE) <= codes
    assert all(any((code or "").startswith(group) for code in codes) for group in causes._BY_GROUP)
    assert all(any((code or "").startswith(group) for code in codes) for group in causes._SQL_REMEDIES)
    assert set(causes._BY_STATUS) <= statuses


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("30", 30.0),
        ("soon", None),
        ("-5", None),
        (format_datetime(NOW.replace(minute=2), usegmt=True), 120.0),
        (format_datetime(NOW.replace(hour=3), usegmt=True), 0.0),
        ("Sat, 21 Nov 2026 12:00:10 -0000", 10.0),
        ("9" * 400, causes.LONGEST_S),
    ],
)
def test_how_long_to_wait_is_heard(header: str | None, seconds: float | None) -> None:
    told = meaning(Answer(429, None, header), NOW)
    assert isinstance(told, Offline)
    assert told.retry_after_s == seconds


def test_codes_are_handed_on() -> None:
    """Whoever asks may tell a second open atendimento from a message that cannot be kept, and a missing grant from a wrong key."""
    for code, kind in (("23505", Rejected), ("42501", Misconfigured), ("PGRST202", Misconfigured)):
        told = meaning(Answer(400, code))
        assert isinstance(told, kind)
        assert told.code == code
