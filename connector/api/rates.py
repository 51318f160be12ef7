"""How many requests a caller may make, and how many keys somebody may try."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from aiohttp import web
from limits import RateLimitItem, parse

from connector.api.callers import Callers
from connector.api.errors import Refusal
from connector.api.windows import MOST, Admission, Windows

T = TypeVar("T")

OFF = "off"
DEFAULT = "60000/minute"
"""Three times what one service can send: it stops programs that run in circles, and nothing else."""
STRANGERS = "1200/minute"
GUESSES = "10/minute"
HEADERS = web.RequestKey("rate_headers", dict[str, str])
_MANY = "So many requests come from here that this one was not taken: try again in a moment."
_GUESSED = "Too many different keys were tried from here: try again in a moment."


class Caller(StrEnum):
    """Who makes a request."""

    KEY = "key"  # with the key
    STRANGER = "stranger"  # without one, or with a wrong one


def limit(text: str) -> RateLimitItem | None:
    """Answer what "600/minute" says; None for "off". Raises `ValueError`."""
    if text.strip().lower() == OFF:
        return None
    found = parse(text.strip())
    if found.amount < 1:
        raise ValueError("nobody could make a request")
    return found


@dataclass(frozen=True, slots=True)
class Policy:
    """How many requests a caller with the key may make from one address, one without, and how many keys it may try."""

    key: RateLimitItem | None
    stranger: RateLimitItem | None
    guesses: RateLimitItem

    @classmethod
    def of(cls, text: str = DEFAULT) -> Policy:
        """Answer the policy for the setting *text*. Without a limit for the key nobody is limited but who tries keys."""
        key = limit(text)
        return cls(key, key and parse(STRANGERS), parse(GUESSES))


class Rates:
    """Counts the requests of each address. What it keeps is bounded: `MOST` addresses, and as many keys that were tried."""

    def __init__(self, policy: Policy, callers: Callers, clock: Callable[[], float] = time.time) -> None:
        self._limits = {Caller.KEY: policy.key, Caller.STRANGER: policy.stranger}
        self._policies = {
            who: f'"{who}";q={item.amount};w={item.get_expiry()}' for who, item in self._limits.items() if item
        }
        self._guesses = policy.guesses
        self._callers = callers
        self._windows = {each: Windows(clock=clock) for each in Caller}
        self._guessing = Windows(clock=clock)
        self._tried: OrderedDict[tuple[str, bytes], None] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()

    def admit(self, request: web.Request, caller: Caller) -> None:
        """Count *request*. Raises `Refusal` (429) when it is one too many."""
        item = self._limits[caller]
        if item is None:
            return
        found = self._windows[caller].come(self._callers.address(request), item)
        request[HEADERS] = {
            "RateLimit-Policy": self._policies[caller],
            "RateLimit": f'"{caller.value}";r={found.left};t={found.more_in_s}',
        }
        if not found.granted:
            raise _refusal("too_many_requests", _MANY, found)

    def guessed(self, request: web.Request, key: bytes) -> None:
        """Note that *key*, a digest, was tried and is wrong: the same again is no new guess, but a program's mistake.

        Raises `Refusal` (429) after too many.
        """
        address = self._callers.address(request)
        if (address, key) in self._tried:
            return
        found = self._guessing.come(address, self._guesses)
        if not found.granted:
            raise _refusal("too_many_keys", _GUESSED, found)
        _remember(self._tried, (address, key))

    def believes(self, request: web.Request) -> bool:
        """Answer whether the right key is taken from here: not where too many were tried before it ever came."""
        address = self._callers.address(request)
        return address in self._known or self._guessing.look(address, self._guesses).granted

    def proven(self, request: web.Request) -> None:
        """Note that the right key came from here.

        Raises `Refusal` (429) where too many were tried before that ever happened: a guess that hits must not be told from one
        that misses. An address from which the right key came before stays open, whoever else tries keys from there.
        """
        address = self._callers.address(request)
        if address not in self._known:
            found = self._guessing.look(address, self._guesses)
            if not found.granted:
                raise _refusal("too_many_keys", _GUESSED, found)
        _remember(self._known, address)


def _refusal(code: str, sentence: str, found: Admission) -> Refusal:
    return Refusal(429, code, sentence, {"Retry-After": str(found.more_in_s)})


def _remember(kept: OrderedDict[T, None], what: T) -> None:
    kept[what] = None
    kept.move_to_end(what)
    if len(kept) > MOST:
        kept.popitem(last=False)
