"""Writes `docs/events.md`, what people read about events, from the registry of events itself."""

from __future__ import annotations

from pathlib import Path

import msgspec

from connector.events.registry import ALL, Data, EventType, Scope

ROOT = Path(__file__).parents[1]

HEAD = """\
# Events

What happens is told by name: to the webhook in `WEBHOOK_URL`, signed as [Standard Webhooks](https://www.standardwebhooks.com) says; as a
stream of server-sent events at `GET /api/whatsapp-bootstrap/events`; and, where somebody has to do something, to `ALERT_WEBHOOK_URL` too.

```json
{
  "id": "evt_event:1795315665853901",
  "type": "supabaseOffline",
  "timestamp": "2026-11-22T02:47:45.853Z",
  "severity": "critical",
  "data": { "reason": "...", "waiting": 12, "message": "O banco de dados ...", "messageEn": "The database ..." }
}
```

The `id` is stable: what is delivered twice has it twice. Events about a connection have its `connectionId`, `ownerId` and `companyId` in
`data`, and so has what the watchdog found or did there. Within one connection, events come in order.

What an event says stands in `data` as `message` (Portuguese) and `messageEn`; events about a message have that message instead. The rest
of `data` is for programs: `reason` is a code where it is about a connection, elsewhere a sentence in English, as are `detail` and `why`.
Each event is one line in the [log](configuration.md#the-log), too.

## The stream

`?after=` with the number of the last event (the stream's `id:` field; browsers send it as `Last-Event-ID` by themselves) goes on after it.
Events about connections and the service are kept for 30 days, 50,000 at most. Those about messages are in the record; the stream has them
only while somebody listens, and keeps the latest 2,000 for a listener who comes back. Where some may be missing, the stream begins with an
event `gap`: read the messages of meanwhile from the API.

| event | about | severity | data | says |
|---|---|---|---|---|
"""

_SAID = ("message", "messageEn")
_ABOUT = {Scope.MESSAGE: "a message", Scope.CONNECTION: "a connection", Scope.SERVICE: "the service"}


def files() -> dict[str, str]:
    """Answer each file by its path, with what belongs in it."""
    return {"docs/events.md": HEAD + "".join(map(_row, ALL))}


def main() -> None:
    """Write them."""
    for name, text in files().items():
        (ROOT / name).write_text(text, "utf-8")
        print(name)


def _row(kind: EventType) -> str:
    says = kind.en.replace("|", "\\|").replace("{message_en}", "{what the reason means}")
    return f"| `{kind.name}` | {_ABOUT[kind.scope]} | {kind.severity} | {_fields(kind.data)} | {says} |\n"


def _fields(data: type[Data]) -> str:
    names = [field.encode_name for field in msgspec.structs.fields(data)]
    return ", ".join(f"`{name}`" for name in names if name not in _SAID) or "none"


if __name__ == "__main__":
    main()
