"""What the redaction hides, and what it leaves readable."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessions.redaction import LONGEST, Redactor, redact

PHONES = [
    "5511999991234",
    "+5511999991234",
    "+55 11 99999-1234",
    "+55 (11) 99999-1234",
    "(11) 99999 1234",
    "011 9 9999.1234",
    "55.11.99999.1234",
    "11.999991234",
    "+55\u00a011\u00a099999\u20111234",
    "\u202a+55 11 99999\u20131234\u202c",
    "%2B55%2011%2099999-1234",
    "+55 - (11) - 99999 - 1234",
    "99999-1234",
    "3333 1234",
    "551199991234",
    "\u0665\u0665\u0661\u0661\u0669\u0669\u0669\u0669\u0669" + "1234",
]


@pytest.mark.parametrize("number", PHONES)
@pytest.mark.parametrize(
    "around", ["{}", "to {} now", "to={},", "wa.me/{}?x", "'{}'", "x{}y", "[{}]", "Olá {}, tudo bem?"]
)
def test_a_phone_number_keeps_its_last_four_digits(number: str, around: str) -> None:
    """Whatever its writing and its neighbours, only the last four digits can be read."""
    shown = redact(around.format(number))
    assert "".join(char for char in shown if char.isdigit()) == "1234"
    assert "***1234" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("5511999991234@s.whatsapp.net", "***1234@s.whatsapp.net"),
        ("5511999991234:12@s.whatsapp.net", "***1234:12@s.whatsapp.net"),
        ("5511999991234.0:12@s.whatsapp.net", "***1234.0:12@s.whatsapp.net"),
        ("123456789012345@lid", "***2345@lid"),
        ("123456789012345:3@lid", "***2345:3@lid"),
        ("5511999991234-1600000000@g.us", "***0000@g.us"),
        ("120363041234567890@g.us", "***7890@g.us"),
        ("234567@lid", "***4567@lid"),
        ("0@s.whatsapp.net and status@broadcast", "0@s.whatsapp.net and status@broadcast"),
        ("5511999991234_1:12", "***1234_1:12"),
    ],
)
def test_an_address_keeps_its_device_and_its_server(text: str, shown: str) -> None:
    """Which device of which kind of account stays readable."""
    assert redact(f"<{text}>") == f"<{shown}>"


@pytest.mark.parametrize(
    ("planted", "secret"),
    [
        ("GET /pair/xN3_-abcDEF/events: 200, in https://vigia.example.com/pair/xN3_-abcDEF", "xN3_-abcDEF"),
        ("scan https://wa.me/settings/linked_devices#2@abcDEF123456+/w==,kkkk=,iiii=,ssss=", "abcDEF123456"),
        ("qr 2@abcDEF123456+/w==,kkkk=,iiii=,ssss= ready", "abcDEF123456"),
        ("noise key 4KqvN3xq0HkWc1m9Qd8y4oW5o7w1Tz8lQmYp3xJr5EA=", "4KqvN3xq0HkWc1"),
        ("adv 4KqvN3xq0HkWc1m9Qd8y4oW5o7w1Tz8lQmYp3xJr5EAwq", "4KqvN3xq0HkWc1"),
        ("type ABCD-1234 on the phone", "ABCD"),
        ("type WXYZ1KLM on the phone", "WXYZ1KLM"),
        ("Authorization: Bearer abc.def-ghi", "abc.def"),
        ("authorization=bearer abcdefgh", "abcdefgh"),
        ("sent BEARER abcdefgh", "abcdefgh"),
        ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "c2lnbmF0dXJl"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0", "eyJzdWIi"),
        ("key sb_secret_N7UND0UgjKTVK_Uod", "N7UND0"),
        ("vigia_2fKq81xYz found", "2fKq81xYz"),
        ("sk-proj-abcdefgh12345", "abcdefgh"),
        ("whsec_abcdefgh12345", "abcdefgh"),
        ("SUPABASE_SERVICE_ROLE_KEY=planted-one", "planted-one"),
        ("X-API-KEY: planted-one", "planted-one"),
        ('{"api_key": "planted one", "b": 1}', "planted one"),
        ("password='planted \\' one'", "planted"),
        ("senha: planted-one", "planted-one"),
        ("GET /x?access_token=planted-one&y=2", "planted-one"),
        ("Cookie: session=planted-one", "planted-one"),
        ("postgres://user:planted-one@db.example:5432/x", "planted-one"),
        ("postgres://user:plan@ted-one@db.example/x", "ted-one"),
        ("http://user:planted-one@[::1]/x", "planted-one"),
        ('conversation:"planted one"', "planted one"),
        ("Message(id='x', text='planted one', quoted_id=None)", "planted one"),
        ('{"type": "text", "text": "planted \\"one"}', "planted"),
        ("caption=b'planted one'", "planted one"),
        ("SendIn(connection_id='loja', to='x', content='planted one', type='text')", "planted one"),
        ('{"to": "x", "content": "planted one", "type": "text"}', "planted one"),
        ("conteudo: 'planted one'", "planted one"),
        ("text='planted one that was cut", "planted one"),
        ("[type=int_parsing, input_value='planted one', input_type=str]", "planted one"),
        ("[type=int_parsing, input_value={'a': 'planted one'}, input_type=dict]", "planted one"),
    ],
)
def test_secrets_and_bodies_are_masked(planted: str, secret: str) -> None:
    """Each shape of secret, and each named field that carries what somebody wrote."""
    shown = redact(planted)
    assert secret not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "text",
    [
        "service started: pid 12345, port 3001, 25 sessions a worker",
        "GET /health/live 200, 3 ms, 1234567 bytes, from 127.0.0.1:54321",
        "2026-11-21T23:01:02.123456Z and 2026-11-21 23:01:02,123 and 2026-11-21T23:01:02+00:00 and 20261121T230102Z",
        "attempt 3 2026-11-21 10:00:00 from 10.0.0.1 at 23:01:02.123456",
        "session 550e8400-e29b-41d4-a716-446655440000 and 12345678-1234-1234-1234-123456789012",
        "message 3EB0C767D71D12345678 and AC12345678901234567890ABCDEF1234",
        "Connected. connection=loja duration_s=12345678.9 session=2",
        "took 0.123456789 s, then 12.345678 s and 1.5 s",
        "WhatsApp 2.3000.1027868167 is outdated",
        "<Task at 0x7f1234567890>",
        'File "/home/User1/projects/vigia/connector/api/server.py", line 123, in handler',
        "test_a_very_long_function_name_that_has_over_forty_letters_in_it",
        "HTTP 404, ENOSPC, SIGTERM, EADDRINUSE",
        "https://127.0.0.1:8443/docs/lab.md?page=2",
    ],
)
def test_what_an_operator_needs_stays_readable(text: str) -> None:
    """Ports, pids, durations, times, ids, addresses and names are left alone."""
    assert redact(text) == text


GROUPS = [(13,), (2, 2, 5, 4), (2, 2, 4, 4), (2, 9), (1, 3, 3, 4), (2, 2, 9), (5, 4), (3, 8), (4, 4)]
GAPS = ["", " ", "-", ".", " - ", ") ", " (", ")", "\u00a0", "\u2011", "\u2009", "+", "%20", "\u202f", "\t"]


@st.composite
def writings(draw: st.DrawFn) -> str:
    """A phone number of 8 to 13 digits the way people, programs and web addresses write them."""
    groups = [draw(st.text("0123456789", min_size=size, max_size=size)) for size in draw(st.sampled_from(GROUPS))]
    gaps = draw(st.lists(st.sampled_from(GAPS), min_size=len(groups), max_size=len(groups)))
    prefix = draw(st.sampled_from(["", "+", "(", "tel:", "(+", "wa.me/"]))
    return prefix + "".join(group + gap for group, gap in zip(groups, gaps, strict=True))


@example("0.0000000000", "", "")
@given(writings(), st.text("abc XYZ,;:=/'\"<>{}\n", max_size=12), st.text("abc XYZ,;:=/'\"<>{}\n", max_size=12))
def test_no_phone_number_survives(number: str, before: str, after: str) -> None:
    """Of a number in any writing, between any words, no more than four digits can be read."""
    shown = redact(before + number + after)
    assert sum(char.isdigit() for char in shown.replace("%20", "")) <= 4


@given(st.uuids(), st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2099, 1, 1)), st.integers(0, 65535))  # noqa: DTZ001 - a bare wall time
def test_ids_times_and_ports_survive(uuid: object, at: datetime, port: int) -> None:
    """Whatever their digits, they are no phone numbers."""
    line = f"{at.replace(tzinfo=UTC).isoformat()} session {uuid}, port {port}, again {at} {uuid}"
    assert redact(line) == line


@given(st.text(max_size=80) | writings())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """What was masked once is stable, so that a text may pass two doors."""
    once = redact(text)
    assert redact(once) == once


def test_exact_values_are_masked_in_every_form() -> None:
    """A registered secret is hidden as it is and as a web address writes it; the empty one hides nothing."""
    hide = Redactor("planted one/2", "planted one")
    hide.register("", "abc", "later-value")
    assert hide("a planted one/2 b planted%20one%2F2 c later-value abc") == "a *** b *** c *** abc"


def test_a_flood_of_text_is_cut() -> None:
    """A text of a megabyte costs no more than its first part."""
    assert len(Redactor()("word " * 1_000_000)) < LONGEST + 10


@pytest.mark.parametrize(
    "piece",
    [
        "1-",
        "1",
        "(",
        "a=",
        "A",
        "token",
        '"',
        "text='",
        "1@",
        "1 ",
        "a-",
        "1.1.",
        "sb_secret_",
        "http://",
        "x_",
        "12:34:",
        "eyJ.",
        "=",
        "2@AAAA",
    ],
)
def test_no_text_makes_it_slow(piece: str) -> None:
    """The patterns are linear: the longest text of any one piece is done in well under a second."""
    text = (piece * LONGEST)[:LONGEST]
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < 1
