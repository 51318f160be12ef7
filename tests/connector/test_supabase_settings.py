"""A Supabase project by its address and key: what is taken, what is refused, and what wins."""

from __future__ import annotations

import base64
import json

import pytest

from connector import __main__ as command
from connector import settings
from connector.failures import ExitCode, StartFailure

URL = "https://abcdefghijklmnopqrst.supabase.co"
SECRET = "sb_secret_0123456789"  # noqa: S105 - of nothing
DATABASE = "postgresql://user:password@127.0.0.1:1/postgres"


def jwt(**claims: str) -> str:
    """Answer a key as older projects have them."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


def given(monkeypatch: pytest.MonkeyPatch, **values: str) -> settings.Settings:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return settings.load()


@pytest.mark.parametrize(
    "url",
    [URL, f"{URL}/", f"{URL}/rest/v1", f"{URL}/rest/v1/", f" {URL} ".strip()],
)
def test_the_address_is_taken_with_and_without_the_path_of_an_interface(monkeypatch, url: str) -> None:
    found = given(monkeypatch, SUPABASE_URL=url, SUPABASE_SECRET_KEY=SECRET).supabase
    assert found == settings.SupabaseSettings(URL, SECRET)
    assert SECRET not in repr(found)


@pytest.mark.parametrize("url", ["http://127.0.0.1:54321", "https://supabase.example.com/base"])
def test_a_project_may_be_anywhere(monkeypatch, url: str) -> None:
    found = given(monkeypatch, SUPABASE_URL=url, SUPABASE_SERVICE_ROLE_KEY=jwt(role="service_role")).supabase
    assert found
    assert found.url == url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://supabase.example.com", True),
        (URL, False),
        ("http://127.0.0.1:54321", False),
        ("http://localhost:54321", False),
        ("http://kong:8000", False),
    ],
)
def test_a_key_in_the_open_is_told(monkeypatch, tmp_path, url: str, told: bool) -> None:
    found = given(monkeypatch, SUPABASE_URL=url, SUPABASE_SECRET_KEY=SECRET)
    assert any("use https" in one for one in settings.warnings(found, tmp_path)) is told


@pytest.mark.parametrize(
    "url",
    [
        "https://supabase.com/dashboard/project/abcdefghijklmnopqrst",
        "https://app.supabase.com/project/abcdefghijklmnopqrst",
        "https://db.abcdefghijklmnopqrst.supabase.co",
        "https://postgres:password@abcdefghijklmnopqrst.supabase.co",
        "postgresql://postgres@db.example.com/postgres",
        "abcdefghijklmnopqrst",
        f"{URL}?apikey=x",
    ],
)
def test_what_is_no_project_url_is_refused(monkeypatch, url: str) -> None:
    with pytest.raises(StartFailure, match="SUPABASE_URL must be the Project URL") as told:
        given(monkeypatch, SUPABASE_URL=url, SUPABASE_SECRET_KEY=SECRET)
    assert "password" not in str(told.value)


@pytest.mark.parametrize("name", ["SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"])
@pytest.mark.parametrize("key", ["sb_publishable_x", jwt(role="anon"), jwt(role="authenticated"), "two words"])
def test_a_key_for_browsers_is_refused(monkeypatch, name: str, key: str) -> None:
    with pytest.raises(
        StartFailure, match=f"{name} must be the project's .* never the publishable or anon key"
    ) as told:
        given(monkeypatch, **{"SUPABASE_URL": URL, name: key})
    assert key not in str(told.value)
    assert told.value.code is ExitCode.USAGE


@pytest.mark.parametrize("key", [SECRET, jwt(role="service_role"), jwt(sub="no role"), "a.b.c", "an-old-kind"])
def test_other_keys_are_for_supabase_to_judge(monkeypatch, key: str) -> None:
    found = given(monkeypatch, SUPABASE_URL=URL, SUPABASE_SERVICE_ROLE_KEY=key).supabase
    assert found
    assert found.key == key


def test_the_secret_key_wins_over_the_older_one(monkeypatch) -> None:
    found = given(
        monkeypatch,
        SUPABASE_URL=URL,
        SUPABASE_SECRET_KEY=SECRET,
        SUPABASE_SERVICE_ROLE_KEY=jwt(role="service_role"),
    )
    assert found.supabase == settings.SupabaseSettings(URL, SECRET)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"SUPABASE_URL": URL}, "SUPABASE_URL is set and SUPABASE_SECRET_KEY is missing"),
        ({"SUPABASE_SECRET_KEY": SECRET}, "SUPABASE_URL is missing"),
        ({"SUPABASE_SERVICE_ROLE_KEY": SECRET}, "SUPABASE_URL is missing"),
    ],
)
def test_half_of_it_is_told_unless_a_connection_string_wins(monkeypatch, values: dict[str, str], says: str) -> None:
    with pytest.raises(StartFailure, match=says):
        given(monkeypatch, **values)
    assert given(monkeypatch, DATABASE_URL=DATABASE, **values).database == DATABASE


def test_migrations_need_another_way_in(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SUPABASE_URL", URL)
    monkeypatch.setenv("SUPABASE_SECRET_KEY", SECRET)
    assert command.main(["migrate"]) == ExitCode.DATABASE
    said = capsys.readouterr().err
    assert "SUPABASE_DB_URL" in said
    assert "vigia migrate --print" in said
    assert said.count("\n") == 1
    assert command.main(["migrate", "--print"]) == ExitCode.STOPPED
    assert "create table public.whatsapp_sessions" in capsys.readouterr().out
