"""The records of sessions on disk: whole or as before, and never silently left out."""

from __future__ import annotations

import json
import stat
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sessions.errors import FixUs
from sessions.model import Identity, SessionId
from sessions.register import Record, Register, without_credentials
from sessions.state import Reason

ONE = SessionId("2f5c7a10-0000-4000-8000-000000000001")
WHO = Identity(jid="5511999990000:3@s.whatsapp.net", lid="9900:3@lid", phone="5511999990000", push_name="Zé 🌵")

names = st.uuids().map(lambda value: SessionId(str(value)))
identities = st.builds(Identity, jid=st.text(), lid=st.none() | st.text(), phone=st.text(), push_name=st.text())
times = st.floats(min_value=0, max_value=4e9)
records = st.builds(
    Record,
    id=names,
    wanted=st.booleans(),
    identity=st.none() | identities,
    reason=st.sampled_from(Reason).map(lambda reason: reason.code),
    detail=st.text(max_size=20),
    since=times,
    retry_at=st.none() | times,
)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "sessões de cá")


@given(many=st.lists(records, unique_by=lambda record: record.id, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_what_was_saved_is_loaded(tmp_path: Path, many: list[Record]):
    register = Register(tmp_path)
    for record in register.load():
        register.remove(record.id)
    for record in many:
        register.save(record)
    assert register.load() == sorted(many, key=lambda record: record.id)


def test_the_newest_saved_is_the_one_that_stands(register: Register):
    register.save(Record(ONE))
    register.save(Record(ONE, identity=WHO))
    assert register.load() == [Record(ONE, identity=WHO)]
    assert [path.name for path in register.folder.iterdir()] == [f"{ONE}.json"]


@pytest.mark.parametrize("broken", ["encode", "fsync", "replace"])
def test_a_save_that_fails_leaves_the_old_record(register: Register, monkeypatch: pytest.MonkeyPatch, broken: str):
    register.save(Record(ONE))

    def fail(*_args: Any) -> None:
        raise OSError("the disk is gone")

    places = {"encode": "msgspec.json.encode", "fsync": "os.fsync", "replace": "pathlib.Path.replace"}
    monkeypatch.setattr(places[broken], fail)
    with pytest.raises(OSError, match="gone"):
        register.save(Record(ONE, identity=WHO))
    monkeypatch.undo()

    assert register.load() == [Record(ONE)]
    assert [path.name for path in register.folder.iterdir()] == [f"{ONE}.json"], "a draft was left behind"


def test_a_crash_before_the_exchange_leaves_the_old_record_and_one_after_it_the_new(
    register: Register, monkeypatch: pytest.MonkeyPatch
):
    """A kill cannot clean up: the draft stays, and is no record."""

    class Killed(BaseException): ...

    def killed(self: Path, *_args: Any) -> None:
        raise Killed

    register.save(Record(ONE))
    monkeypatch.setattr(Path, "replace", killed)
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
    with pytest.raises(Killed):
        register.save(Record(ONE, identity=WHO))
    monkeypatch.undo()
    assert len(list(register.folder.iterdir())) == 2
    assert register.load() == [Record(ONE)]

    register.save(Record(ONE, identity=WHO))
    assert register.load() == [Record(ONE, identity=WHO)]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"id": 3}', b'{"wanted": true}', b"\xff\xfe", b'{"id":"a","since":"x"}']
)
def test_a_record_that_cannot_be_read_is_said_by_name(register: Register, content: bytes):
    register.save(Record(ONE))
    (register.folder / "broken.json").write_bytes(content)
    with pytest.raises(FixUs, match=r"broken\.json cannot be read: restore it"):
        register.load()
    told: list[FixUs] = []
    assert register.load(told.append) == [Record(ONE)], "a damaged record keeps the others from being read"
    assert len(told) == 1


def test_a_record_of_an_earlier_version_is_read(register: Register):
    (register.folder / f"{ONE}.json").write_text(json.dumps({"id": ONE}))
    assert register.load() == [Record(ONE)]


def test_records_are_for_their_owner_only(register: Register):
    register.save(Record(ONE, identity=WHO))
    assert stat.S_IMODE(register.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((register.folder / f"{ONE}.json").stat().st_mode) == 0o600


def test_a_removed_session_leaves_nothing_and_takes_nothing_else(register: Register):
    two = SessionId("2f5c7a10-0000-4000-8000-000000000002")
    for session in (ONE, two):
        register.save(Record(session))
        for suffix in ("", "-wal", "-shm"):
            Path(f"{register.database(session)}{suffix}").write_bytes(b"")
        register.database(session).with_suffix(".lock").write_bytes(b"")
    register.remove(ONE)
    register.remove(ONE)
    assert {path.name.partition(".")[0] for path in register.folder.iterdir()} == {two}
    assert len(list(register.folder.iterdir())) == 5


@given(record=records, reason=st.sampled_from([Reason.LOGGED_OUT, Reason.NEVER_PAIRED]), since=times)
def test_without_credentials_nothing_of_the_account_is_left(record: Record, reason: Reason, since: float):
    left = without_credentials(record, reason, since)
    assert not left.paired
    assert left == replace(Record(record.id), wanted=record.wanted, reason=reason.code, since=since)
    assert {field.name for field in fields(Record)} == {
        "id", "wanted", "identity", "reason", "detail", "since", "retry_at",
        "phone_seen_at", "phone_told_days",
    }, "a new field: does it belong to the account?"  # fmt: skip
