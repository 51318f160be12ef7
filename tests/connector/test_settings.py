"""What the settings take, refuse and say."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from connector import settings
from connector.failures import ExitCode, StartFailure

KEY = "ab" * 32


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch):
    """Set environment variables for one test."""

    def put(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return put


def in_file(text: str) -> None:
    Path(settings.ENV_FILE).write_text(text, "utf-8")


def test_everything_has_a_default(own_folder: Path) -> None:
    """A service can be started with no setting at all."""
    found = settings.load()
    assert (found.host, found.port, found.data_dir) == ("127.0.0.1", 3001, own_folder / "data")
    assert (found.api_key, found.log_level, found.sessions_per_worker, found.max_pairings) == (None, "INFO", 25, 4)
    assert found.lab is None


def test_the_environment_wins_over_the_file(env) -> None:
    """What is set in both places is taken from the environment; an empty value counts as unset."""
    in_file("PORT=4001\nHOST=::1\nLOG_LEVEL=\n")
    env(PORT="4002", MAX_PAIRINGS="")
    found = settings.load()
    assert (found.port, found.host, found.log_level, found.max_pairings) == (4002, "::1", "INFO", 4)


@pytest.mark.parametrize(
    "text", ["export PORT=4001", "port=4001", "\ufeffPORT=4001", "PORT='4001'  # mine", "NODE_ENV=x\nPORT=4001"]
)
def test_the_file_is_read_as_people_write_it(text: str) -> None:
    """With export, in small letters, from Windows, with a comment, among keys of other programs."""
    in_file(text)
    assert settings.load().port == 4001


@pytest.mark.parametrize("given", ["dados com espaço/é", "./x/../dados com espaço/é"])
def test_the_data_folder_is_absolute_inside(env, own_folder: Path, given: str) -> None:
    """Spaces and accents are kept, steps back are resolved."""
    env(DATA_DIR=given)
    assert settings.load().data_dir == own_folder / "dados com espaço" / "é"


def test_a_home_folder_is_understood(env, own_folder: Path) -> None:
    """A tilde is the home folder, also where no shell expanded it."""
    env(HOME=str(own_folder), DATA_DIR="~/vigia")
    assert settings.load().data_dir == own_folder / "vigia"


WRONG = {
    "HOST": ["not a host", "999.1.1.1", "-x", "http://127.0.0.1"],
    "PORT": ["0", "65536", "-1", "3001.5", "http"],
    "API_KEY": ["two words", "clé", "tab\tbed"],
    "LOG_LEVEL": ["LOUD"],
    "SESSIONS_PER_WORKER": ["0", "501", "many"],
    "MAX_PAIRINGS": ["0", "101", "few"],
    "PUBLIC_URL": [
        "crm.example.com",
        "https://crm.example.com/path",
        "https://u@x",
        "https://x?a",
        "https:///",
        "http://x:y",
    ],
    "CORS_ORIGIN": ["crm.example.com", "https://crm.example.com/path", "ftp://x", "https://a.example,b", "https://u@x"],
    "RATE_LIMIT": ["fast", "0/minute", "-1/minute", "600", "600/fortnight"],
    "TRUSTED_PROXIES": ["proxy", "10.0.0.1/8", "300.0.0.1", "127.0.0.1;10.0.0.1"],
    "WHATSAPP_LAB_PROXY": ["127.0.0.1:9001", "https://127.0.0.1:9001", "http://127.0.0.1", "http://127.0.0.1:x"],
    "WHATSAPP_LAB_CA": ["/nowhere/ca.pem", "."],
    "WHATSAPP_LAB_ROOT_KEY": ["ab", "zz" * 32, KEY + "00"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_one_sentence_with_its_remedy(env, name: str, value: str) -> None:
    """It names the setting, what it must be and an example, and does not repeat the value."""
    env(**{name: value})
    with pytest.raises(StartFailure, match=rf"^{name} must be .+: write for example {name}=.+\.") as caught:
        settings.load()
    assert caught.value.code is ExitCode.USAGE
    assert f"={value} " not in str(caught.value)


def test_all_errors_are_told_at_once(env) -> None:
    """Nobody mends one setting only to learn of the next."""
    env(**{name: values[0] for name, values in WRONG.items()})
    with pytest.raises(StartFailure) as caught:
        settings.load()
    assert [line.split()[0] for line in str(caught.value).splitlines()] == list(WRONG)


def test_an_incomplete_lab_is_told_beside_other_errors(env) -> None:
    """All three or none, however well the given ones are written."""
    env(WHATSAPP_LAB_ROOT_KEY="short", PORT="none")
    with pytest.raises(StartFailure, match="WHATSAPP_LAB_PROXY and WHATSAPP_LAB_CA are missing") as caught:
        settings.load()
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("left_out", settings.LAB_NAMES)
def test_a_lab_needs_all_three(env, own_folder: Path, left_out: str) -> None:
    """With two of three the service would talk to the real WhatsApp, or to nobody."""
    ca = own_folder / "ca.pem"
    ca.touch()
    given: dict[str, str] = dict(zip(settings.LAB_NAMES, ("http://127.0.0.1:9001", str(ca), KEY), strict=True))
    env(**{name: value for name, value in given.items() if name != left_out})
    with pytest.raises(StartFailure, match=f"^{left_out} is missing: lab mode needs"):
        settings.load()
    env(**{left_out: given[left_out]})
    assert settings.load().lab == settings.LabSettings("http://127.0.0.1:9001", ca, KEY)


def test_secrets_do_not_print(env) -> None:
    """Neither a repr nor an error tells the key."""
    env(API_KEY="planted-key-of-twenty")
    found = settings.load()
    assert "planted" not in repr(found) + str(found.model_dump())
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == "planted-key-of-twenty"


@pytest.mark.parametrize("content", [b"PORT=\xff\xfe"])
def test_a_file_that_is_no_text_is_told(content: bytes) -> None:
    """One sentence, with the path of the file."""
    Path(settings.ENV_FILE).write_bytes(content)
    with pytest.raises(StartFailure, match=r"\.env\.supabase cannot be read \(it is not UTF-8 text\)"):
        settings.load()


@pytest.mark.parametrize(
    ("origins", "told"),
    [("*", 1), ("https://a.example, *", 1), ("https://a.example, http://b.example:8080", 0), ("", 0)],
)
def test_an_api_for_every_web_page_is_told(env, origins: str, told: int) -> None:
    """Allowed, since the key is asked for all the same, but hardly ever meant."""
    env(CORS_ORIGIN=origins)
    assert len([line for line in settings.warnings(settings.load()) if "CORS_ORIGIN=*" in line]) == told


def test_near_misses_are_told_and_strangers_are_not(env) -> None:
    """A key that is almost a setting is a slip; one of another program is none of ours."""
    in_file(
        "HOSTT=x\nexport SESSION_PER_WORKER=3\nSUPABASE_KEY=y\nNODE_ENV=z\nJWT_SECRET=w\nPORT=4001\nport=1\n#PORTT=1\n"
    )
    env(API_KEY="short")
    told = settings.warnings(settings.load())
    assert [line.split()[:3] for line in told] == [
        [".env.supabase", "sets", "HOSTT,"],
        [".env.supabase", "sets", "SESSION_PER_WORKER,"],
        ["API_KEY", "has", "fewer"],
    ]
    assert told[0].endswith("did you mean HOST?")
    assert told[1].endswith("did you mean SESSIONS_PER_WORKER?")


def test_a_quiet_start_warns_of_nothing(env) -> None:
    """No file and a long key: nothing to say."""
    env(API_KEY="x" * settings.SHORT_KEY)
    assert settings.warnings(settings.load()) == []


SIGNING = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize("secret", [SIGNING, f"whsec_{SIGNING}"])
def test_a_webhook_is_kept_from_every_print(env, secret: str) -> None:
    """The address may hold a token, the secret is one. The inside is closed unless it is asked for."""
    env(WEBHOOK_URL="https://crm.example.com/hook?token=hidden", WEBHOOK_SECRET=secret)
    found = settings.load()
    assert found.webhook_url is not None
    assert found.webhook_url.get_secret_value() == "https://crm.example.com/hook?token=hidden"
    assert not found.webhook_allow_internal
    assert "hidden" not in repr(found)
    assert secret not in repr(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("WEBHOOK_URL", wrong) for wrong in ("crm.example.org", "ftp://other.example.org/", "https:///hidden")),
        *(("WEBHOOK_SECRET", wrong) for wrong in ("a plain word", base64.b64encode(bytes(23)).decode(), "é" * 40)),
        ("WEBHOOK_ALLOW_INTERNAL", "perhaps"),
    ],
)
def test_a_wrong_webhook_is_a_sentence_that_repeats_nothing(env, name: str, value: str) -> None:
    """It names the setting, and not what was in it."""
    env(**{"WEBHOOK_URL": "https://crm.example.com/", "WEBHOOK_SECRET": SIGNING, name: value})
    with pytest.raises(StartFailure) as failure:
        settings.load()
    assert name in str(failure.value)
    assert value not in str(failure.value)
