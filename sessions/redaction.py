"""What must never reach a log: phone numbers, message bodies, secrets. Pure text in, pure text out.

A number keeps its last four digits, so that an operator can still tell two people apart. A digit run counts as a phone number
from eight digits on, however it is written; put a word or a comma between two numbers that should stay readable.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from re import Match, Pattern
from urllib.parse import quote

MASK = "***"
LONGEST = 65_536
"""Characters of one text that are looked at; the rest is cut off, so that no flood of text can hold up the process."""
SHORTEST_SECRET = 4
"""A shorter exact value would tear ordinary words apart."""

# A gap between the digits of one number: spaces of every width, dashes, dots, brackets, the invisible marks that copying from a
# contact list brings along, and all of these as a web address writes them.
_GAP = "(?:[^\\S\\r\\n]|[-+().\u00ad\u2010-\u2015\u2212\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|%2[0-9A-Fa-f])"
_DATE = r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)"
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?!\d)(?:Z|[+-]\d\d:?\d\d(?!\d))?"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_ADDRESS = rf"{_OCTET}(?:\.{_OCTET}){{3}}(?![\d.])(?::\d{{1,5}}(?!\d))?"
_ENOUGH_DIGITS = re.compile(rf"\d(?:{_GAP}{{0,4}}\d){{7}}")
_UUID = r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}(?![0-9A-Za-z])"
_KEPT_AFTER_A_GAP = rf"(?!{_UUID}|{_DATE}|{_ADDRESS}|{_CLOCK})"

_NUMBERS = re.compile(
    rf"""
    (?P<kept>
        (?<![0-9A-Za-z]) (?:
            {_UUID}
          | {_DATE}(?:[T\ ]{_CLOCK})?
          | (?:19|20)\d{{6}}T\d{{6}}(?:Z|(?!\d))
          | {_CLOCK}
          | {_ADDRESS}
          | 0x[0-9A-Fa-f]+
          | 2\.3000\.\d+(?![\d.])                                       # the version of WhatsApp's own web client
          | (?=[0-9]*[A-F][0-9]*[A-F])[0-9A-F]{{16,40}}(?![0-9A-Za-z])  # the id of a message
          | (?<=duration_s=)\d{{1,9}}(?:\.\d)?(?!{_GAP}{{0,4}}\d)           # of our own: a month in seconds has seven digits
          | (?:0\.\d{{1,9}}|\d{{1,3}}\.\d{{1,6}})(?!{_GAP}{{0,4}}\d)     # a decimal number; of more digits it may be a phone's
        )
    )
    | (?P<user>\d[\d-]{{0,60}})(?P<device>(?:[._]\d{{1,3}})?(?::\d{{1,5}})?)@
      (?P<server>s\.whatsapp\.net|lid|g\.us|c\.us|hosted(?:\.lid)?|newsletter|broadcast|bot|msgr|interop)\b
    | (?P<phone>(?:\+|%2B)?\(?\d(?:\d|{_GAP}{{1,4}}{_KEPT_AFTER_A_GAP}\d){{7,}})
    """,
    re.VERBOSE,
)


def _mask_number(match: Match[str]) -> str:
    if match["kept"]:
        return match["kept"]
    if match["phone"]:
        return MASK + _last_four(match["phone"])
    user = match["user"] if len(match["user"]) <= 4 else MASK + _last_four(match["user"])
    return f"{user}{match['device']}@{match['server']}"


def _last_four(text: str) -> str:
    return "".join(char for char in re.sub("%2.", "", text) if char.isdigit())[-4:]


_BODY_FIELDS = (
    "text|body|content|caption|conversation|conteudo|mensagem|contentText|hydratedContentText|matchedText|description|title|push_?name|"
    "notify|verifiedName|fullName|firstName|display_?name|nome_cliente|name_?from_?contact"
)
_HIDDEN_FIELDS = (
    r"(?:api[-_]?key|role[-_]?key|secret[-_]?key|private[-_]?key|access[-_]?key|root[-_]?key|token|secret|"
    r"passw(?:or)?d|passwd|pwd|senha|authorization|cookie|signature|credentials?)"
)
_QUOTED = r"""b?(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)"""
_BASE64 = r"[A-Za-z0-9+/]"


def _mask_long(match: Match[str]) -> str:
    """Mask a long run of base64 letters, unless it reads like a path or a name in a program."""
    run = match[0]
    path = run.count("/") * 12 > len(run)
    kinds = (str.isupper, str.islower, str.isdigit)
    return run if path or any(sum(map(kind, run)) < 3 for kind in kinds) else MASK


@dataclass(frozen=True, slots=True)
class _Rule:
    hint: Callable[[str], bool]  # cheap, and true whenever the pattern could match: most lines skip most rules
    pattern: Pattern[str]
    put: str | Callable[[Match[str]], str]


def _has(*literals: str) -> Callable[[str], bool]:
    return lambda text: any(literal in text for literal in literals)


def _names_a_secret(text: str) -> bool:
    lower = text.lower()
    return any(
        word in lower for word in ("key", "token", "secret", "pass", "pwd", "senha", "auth", "cookie", "sign", "cred")
    )


_RULES = (
    _Rule(_has("linked_devices"), re.compile(r"(linked_devices/?#)[^\s\"'<>]+"), rf"\1{MASK}"),
    _Rule(_has("/pair/"), re.compile(r"(/pair/)[^\s/?#\"'<>]+"), rf"\1{MASK}"),
    _Rule(_has("@"), re.compile(rf"\b\d@{_BASE64}{{12,}}=*(?:,{_BASE64}+=*)*"), MASK),
    _Rule(_has("eyJ"), re.compile(r"\beyJ[\w-]{6,}(?:\.[\w-]*)*"), MASK),
    _Rule(
        _has("sb_", "sbp_", "sk-", "sk_", "whsec_", "vigia_", "ghp_", "xox"),
        re.compile(r"\b(sb_secret_|sbp_|sk[-_]|whsec_|vigia_|ghp_|xox[abp]-)[\w-]{8,}"),
        rf"\1{MASK}",
    ),
    _Rule(_has("://"), re.compile(r"([A-Za-z][\w+.-]*://)[^\s/\"']+@"), rf"\1{MASK}@"),
    _Rule(
        lambda text: "earer" in text or "asic" in text or "EARER" in text,
        re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE),
        rf"\1 {MASK}",
    ),
    _Rule(
        _names_a_secret,
        re.compile(
            rf"(?P<name>{_HIDDEN_FIELDS})(?P<sign>[\"']?\s*[:=]\s*)(?:{_QUOTED}|(?:(?:bearer|basic)\s+)?[^\s&,;\"')}}\]]+)",
            re.IGNORECASE,
        ),
        rf"\g<name>\g<sign>{MASK}",
    ),
    _Rule(
        _has('"', "'"),
        re.compile(rf"\b(?P<name>{_BODY_FIELDS})(?P<sign>[\"']?\s*[:=]\s*){_QUOTED}", re.IGNORECASE),
        rf"\g<name>\g<sign>{MASK}",
    ),
    _Rule(_has("input_value="), re.compile(r"(input_value=).*?(?=, input_type=|$)", re.DOTALL), rf"\1{MASK}"),
    _Rule(_has("="), re.compile(rf"{_BASE64}{{22,}}={{1,2}}(?![\w=])"), MASK),
    _Rule(lambda text: len(text) >= 40, re.compile(rf"(?<![\w+/-])(?:{_BASE64}|[_-]){{40,}}(?![\w+/-])"), _mask_long),
    # WhatsApp's eight letters: no 0, I, O or U, which people mistake for others.
    _Rule(_has("-"), re.compile(r"(?<![\w-])[1-9A-HJ-NP-TV-Z]{4}-[1-9A-HJ-NP-TV-Z]{4}(?![\w-])"), MASK),
    _Rule(
        lambda text: not text.islower(),
        re.compile(r"(?<![\w-])(?=[A-Z]*[1-9])(?=[1-9]*[A-Z])[1-9A-HJ-NP-TV-Z]{8}(?![\w-])"),
        MASK,
    ),
)


class Redactor:
    """Masks what must not be read, in any text. Knows exact values too, such as the service's own key."""

    def __init__(self, *secrets: str) -> None:
        self._values: set[str] = set()
        self._exact: Pattern[str] | None = None
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Mask these exact values from now on, also as a web address writes them. Under four characters they are left out."""
        for value in secrets:
            if len(value) >= SHORTEST_SECRET:
                self._values |= {value, quote(value, safe="")}
        longest_first = sorted(self._values, key=len, reverse=True)
        self._exact = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __call__(self, text: str) -> str:
        """Answer *text* without what must not be read; what is beyond `LONGEST` characters is cut off."""
        if len(text) > LONGEST:
            text = text[:LONGEST] + " [cut]"
        if self._exact is not None:
            text = self._exact.sub(MASK, text)
        return redact(text)


def redact(text: str) -> str:
    """Answer *text* with numbers, bodies and secrets masked, as far as their shape tells them."""
    for rule in _RULES:
        if rule.hint(text):
            text = rule.pattern.sub(rule.put, text)
    if "@" in text or _ENOUGH_DIGITS.search(text):
        text = _NUMBERS.sub(_mask_number, text)
    return text
