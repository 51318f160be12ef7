"""What Supabase's answers mean for the caller, as tables: the code in the answer decides, the HTTP status only where there is none.

Codes: https://docs.postgrest.org/en/stable/references/errors.html, and PostgreSQL's own. Everything here is pure. No text quotes what
the other side said: it may hold values of rows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from connector.store.errors import Barred, Misconfigured, Offline, Rejected, StoreError, of_sqlstate

WRONG_KEY = (
    "Supabase refuses the key: copy the secret key (sb_secret_...) or the service_role key of this very project "
    "from its API keys page into SUPABASE_SECRET_KEY"
)
NO_SCHEMA = (
    "Supabase's API knows no tables of this Vigia: run `vigia migrate`, which says how; if that was done a moment ago, "
    "run NOTIFY pgrst, 'reload schema' in the SQL editor"
)
NO_GRANT = (
    "Supabase's service_role lacks a right on Vigia's tables or functions, or the key is a weaker one: "
    "run the grants of `vigia migrate --print` in the SQL editor again"
)
NOT_EXPOSED = "the schema public is not exposed: add it under the project's Data API settings"
PAUSED = "the Supabase project is paused: resume it in Supabase's dashboard"
READ_ONLY = (
    "the database takes no writes: give the project disk space, then switch read-only off in its database settings"
)
RESTRICTED = "the Supabase project is restricted for its usage or an unpaid bill: see its billing page"
ELSEWHERE = "SUPABASE_URL is not the address of this Supabase project: copy the Project URL from its Data API settings"
NO_POSTGREST = (
    "what answers under SUPABASE_URL is not Supabase: a proxy or a login page stands between, or the address is wrong"
)
PROXY = "a proxy on the way to Supabase wants a password and a user: correct HTTPS_PROXY"
BARRED = (
    "somebody on the way to Supabase refuses what is sent: look at the firewalls and proxies between here and there"
)
NO_SUCH_NAME = "the name in SUPABASE_URL is not known: correct it, look whether the project still exists, and at this machine's DNS"
AWAY = "Supabase cannot reach its database"
BUSY = "Supabase is busy"
FAULT = "Supabase has a fault of its own"
TOO_LARGE = "Supabase takes no request of this size"

LONGEST_S = 86_400.0
"""Nobody is left alone longer than a day."""
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
_SQL_REMEDIES = {
    "25006": READ_ONLY,
    "28": WRONG_KEY,
    "42501": NO_GRANT,
    "42P01": NO_SCHEMA,
    "42703": NO_SCHEMA,
    "42883": NO_SCHEMA,
    "3F": NO_SCHEMA,
}
_BY_CODE: Mapping[str, StoreError] = {
    "PGRST102": Rejected("Supabase cannot read what it was told", "PGRST102"),
    "PGRST106": Misconfigured(NOT_EXPOSED),
    "PGRST117": Misconfigured(ELSEWHERE),
    "PGRST125": Misconfigured(ELSEWHERE),
    "PGRST126": Misconfigured(ELSEWHERE),
}
_BY_GROUP: Mapping[str, StoreError] = {
    "PGRST0": Offline(AWAY),
    "PGRST2": Misconfigured(NO_SCHEMA),
    "PGRST3": Misconfigured(WRONG_KEY),
    "PGRSTX": Offline(FAULT),
}
_BY_STATUS: Mapping[int, StoreError] = {
    301: Misconfigured(ELSEWHERE),
    308: Misconfigured(ELSEWHERE),
    401: Misconfigured(WRONG_KEY),
    402: Misconfigured(RESTRICTED),
    403: Barred(BARRED),
    407: Misconfigured(PROXY),
    408: Offline(BUSY),
    413: Rejected(TOO_LARGE, "413"),
    425: Offline(BUSY),
    429: Offline(BUSY),
    503: Offline(BUSY),
    540: Misconfigured(PAUSED),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back that is no result. `code`: the answer's own, None where it had none. `retry_after`: that header, as it was."""

    status: int
    code: str | None = None
    retry_after: str | None = None


def meaning(answer: Answer, now: datetime | None = None) -> StoreError:
    """Answer the error that *answer* is. A success that is not Supabase's own counts as no success."""
    found = _of_code(answer.code or "") or _of_status(answer.status)
    fault, colon, remedy = str(found).partition(": ")
    said = f"{fault} (HTTP {answer.status}{f', {answer.code}' if answer.code else ''}){colon}{remedy}"
    match found:
        case Offline():
            return Offline(said, _seconds(answer.retry_after, now or datetime.now(UTC)))
        case Rejected():
            return Rejected(said, found.code)
        case Barred():
            return Barred(said)
        case _:
            return Misconfigured(said, answer.code or "")


def _of_code(code: str) -> StoreError | None:
    if found := _BY_CODE.get(code) or _BY_GROUP.get(code[:6]):
        return found
    if code.startswith("PGRST"):  # one that nobody thought of: stop loudly, lose nothing
        return Misconfigured("Supabase answered what this Vigia does not know: look for a newer Vigia")
    return of_sqlstate(code, "an error", _SQL_REMEDIES) if _SQLSTATE.fullmatch(code) else None


def _of_status(status: int) -> StoreError:
    return _BY_STATUS.get(status) or Offline(FAULT if status >= 500 else NO_POSTGREST)


def _seconds(text: str | None, now: datetime) -> float | None:
    """Read a Retry-After header: seconds, or the time when."""
    if not text:
        return None
    try:
        seconds = float(text) if text.strip().isdigit() else (_moment(text) - now).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), LONGEST_S)


def _moment(text: str) -> datetime:
    moment = parsedate_to_datetime(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
