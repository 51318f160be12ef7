"""What a database may answer instead of a result, sorted by what is done next.

Texts are for logs and people: they name the condition, never a value of a row.
"""

from __future__ import annotations

from collections.abc import Mapping

_LATER = ("08", "25", "40", "53", "55", "57", "58", "XX")  # away, full, busy, or in a fault of its own
_NEVER = ("20", "21", "22", "23", "2F", "38", "39", "54", "P0")  # what was said cannot be kept


class StoreError(Exception):
    """Any of the three answers below."""


class Offline(StoreError):
    """The database is away, busy or full: the same again later is right. Whether the call took effect is not known.

    `retry_after_s`: how long the other side asked to be left alone, None where it did not say.
    """

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Misconfigured(StoreError):
    """A person has to mend something first: the address, a password, a grant, the schema. The text says what.

    `code`: the SQLSTATE, or the code of Supabase's interface, "" where neither is known.
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Barred(Misconfigured):
    """Somebody on the way refuses the request: all of ours, or this one for what it holds."""


class Rejected(StoreError):
    """What was said can never be kept. `code` is the SQLSTATE, "" where our side refused it."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


_OLD_SCHEMA = "the database's tables are not this Vigia's: run `vigia migrate`"
_MIXED_UP = "a pooler before the database mixes connections up: add ?pgbouncer=true to the connection string"
_REMEDIES = {
    "25006": "the database takes no writes: give it disk space, or switch read-only off",
    "26": _MIXED_UP,
    "28": "the database refuses this password or user: correct the connection string",
    "3D": "there is no database of that name: create it, or correct the connection string",
    "42P05": _MIXED_UP,
    "42501": "the database user lacks a right: connect as the user that ran `vigia migrate`",
    "42P01": _OLD_SCHEMA,
    "42703": _OLD_SCHEMA,
    "42883": _OLD_SCHEMA,
    "3F": _OLD_SCHEMA,
}


_FULL = {
    "53100": "the database's disk is full: give it space",
    "53300": "the database lets no more connections in: allow more, or use its pooler",
}


def of_sqlstate(code: str, name: str, remedies: Mapping[str, str] = _REMEDIES) -> StoreError:
    """Answer the error for a SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html); *name* is its condition.

    What nobody thought of is `Misconfigured`: it stops the queue loudly, and loses nothing. *remedies*: by code, or its first two.
    """
    if code in remedies:
        return Misconfigured(remedies[code], code)
    if code in _FULL:
        return Offline(_FULL[code])
    if code.startswith(_LATER):
        return Offline(f"the database answered {name} ({code})")
    if code.startswith(_NEVER):
        return Rejected(f"the database refused it: {name} ({code})", code)
    return Misconfigured(remedies.get(code[:2]) or f"the database answered {name} ({code})", code)
