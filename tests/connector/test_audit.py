"""The book of actions: in order, bounded, and no reason to fail."""

from __future__ import annotations

from pathlib import Path

from connector.audit import KEPT_FILES, Audit


def _audit(folder: Path, full_bytes: int = 1 << 20) -> Audit:
    times = iter(range(1, 100_000))
    return Audit(folder / "audit", full_bytes=full_bytes, clock=lambda: float(next(times)))


def test_what_was_done_is_told_newest_first(tmp_path: Path) -> None:
    """With who, what, why, and whether it could be done."""
    audit = _audit(tmp_path)
    audit.note("watchdog", "reconnect", "loja", "silent for 90 s", done=True)
    audit.note("operator", "discard", "webhook", "asked for", done=False)
    newest, oldest = audit.entries()
    assert (newest.at, newest.actor, newest.action, newest.done) == (2.0, "operator", "discard", False)
    assert (oldest.about, oldest.why) == ("loja", "silent for 90 s")
    assert audit.entries(before=newest.id) == [oldest]
    assert audit.entries(limit=1) == [newest]


def test_it_outlives_a_restart_and_a_line_cut_off_by_a_crash(tmp_path: Path) -> None:
    """What can be read is read."""
    _audit(tmp_path).note("watchdog", "kick_sink", "record", "it waits", done=True)
    with (tmp_path / "audit" / "audit.jsonl").open("ab") as file:
        file.write(b'{"at": 3.0, "act')
    assert [entry.action for entry in _audit(tmp_path).entries()] == ["kick_sink"]


def test_it_takes_no_more_room_than_it_may(tmp_path: Path) -> None:
    """Full files are put aside, the oldest go, and the newest are all there."""
    audit = _audit(tmp_path, full_bytes=2_000)
    for number in range(300):
        audit.note("watchdog", "reconnect", f"loja-{number}", "w" * 50, done=True)
        assert audit.entries(limit=1)[0].about == f"loja-{number}", "also when a full file was just put aside"
    files = list((tmp_path / "audit").iterdir())
    assert len(files) <= KEPT_FILES
    assert sum(path.stat().st_size for path in files) <= KEPT_FILES * 2_200
    kept = [entry.about for entry in audit.entries(limit=1000)]
    assert kept == [f"loja-{299 - index}" for index in range(len(kept))]
    assert len(kept) > 30


def test_a_disk_that_refuses_costs_the_line_and_nothing_else(tmp_path: Path) -> None:
    """Whoever acts must not fail for its book."""
    (tmp_path / "audit").write_text("a file in the way")
    audit = _audit(tmp_path)
    audit.note("watchdog", "reconnect", "loja", "silent", done=True)
    audit.note("watchdog", "reconnect", "loja", "silent", done=True)
