"""docs/sessions.md tells today's states."""

from __future__ import annotations

from pathlib import Path

from sessions.state import Reason


def test_every_state_is_told_as_it_is() -> None:
    """Each reason's row, word for word, in the order of the code; no row more."""
    text = (Path(__file__).parents[2] / "docs" / "sessions.md").read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if line.count("|") == 6 and line.startswith("| `")]
    meanings = ((reason.code, reason.value) for reason in Reason)
    assert told == [f"| `{code}` | {one.status} | {one.next} | {one.pt} | {one.en} |" for code, one in meanings]
