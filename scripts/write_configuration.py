"""Writes what people read about the settings from the settings themselves: `.env.supabase.example` and `docs/configuration.md`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from connector.settings import Settings

ROOT = Path(__file__).parents[1]

EXAMPLE_HEAD = """\
# The settings of Vigia. Copy this file to .env.supabase and change what you need: every line is optional.
# Variables of the environment win over this file. Keys that Vigia does not know are left to other programs.
# As configurações do Vigia. Copie este arquivo para .env.supabase e mude o que precisar: toda linha é opcional.
# Variáveis de ambiente valem mais que este arquivo. Chaves que o Vigia não conhece ficam para outros programas.
"""

PAGE_HEAD = """\
# Configuration

Settings are environment variables. They may also stand in a file `.env.supabase` in the folder where the service is started; the
environment wins. An empty value counts as unset. `.env.supabase.example` has all of them to copy.

What is wrong is told at the start, everything at once, a sentence each; exit status 2. A key in the file that is almost a setting
(`HOSTT`) is a warning; keys of other programs are left alone.

| setting | default | what it is | it must be |
|---|---|---|---|
"""

PAGE_TAIL = """
Relative paths start at the folder where the service is started.

## The API key

Callers send it as `X-API-KEY`. Without `API_KEY` the first start makes one, keeps it in `DATA_DIR/api-key` (readable for its owner
only) and shows it once if it was started from a terminal. `vigia keys show` says where it is, `vigia keys rotate` makes a new one,
which counts from the next start on; with `--webhook` both speak of the webhook's secret.

## The database

The first of these that is set is used: `DATABASE_URL`, `SUPABASE_DB_URL`, `SUPABASE_URL` with its key ([supabase.md](supabase.md)).
Without any the service runs a PostgreSQL of its own, reached over a socket that only its user can open, and brings it up to date at
every start. A database of yours is brought up to date by `vigia migrate`; for Supabase's SQL editor, `vigia migrate --print` prints one
SQL text. The address of Supabase's pooler (port 6543, or `?pgbouncer=true`) is recognised.
While the database is away, or its tables are of another Vigia, everything waits on disk.

## Lab mode

The three `WHATSAPP_LAB_*` settings belong together: all of them, or none. With them every session talks to the local WhatsApp of
`python -m lab`, and none to the real one; `GET /health/live` then says `"lab": true`. `./scripts/run --lab` sets them itself.

## What lies in DATA_DIR

| path | what it is |
|---|---|
| `api-key` | the generated API key |
| `sessions/` | the credentials of every linked account: as good as its password |
| `spool/` | what arrived and is not yet where it belongs |
| `postgres/` | the embedded database, while no other is named; `postgres.log` beside it is its own log |
| `audit/` | the book of what operators and the watchdog did |
| `webhook-secret` | the generated secret that events are signed with |
| `logs/combined.log` | everything from `LOG_LEVEL` on |
| `logs/error.log` | errors only |
| `logs/server.log` | the life of the service and its HTTP requests |
| `vigia.lock` | held while a service uses the folder, with its process number |

## The log

Each [event](events.md) is one line, with its fields at the end, or as fields of the object with `LOG_FORMAT=json`:

```
2026-11-22T02:47:45.853+00:00 INFO     connector.events.lines: The connection is connected. \
event=connected connection=loja reason=connected before=reconnecting duration_s=15.2
```

`connection` is the `connectionId`, `before` the reason until then, `duration_s` how long that, or what is over now, lasted. A reason that
is in the sentence, word for word, is not repeated in a line of text. What is over is INFO, what is wrong WARNING; that there was a message
is DEBUG, without its text or a number. Lines from further down name a session: `session` in `GET .../connections/{connectionId}/truth`.

Log files are put aside at `LOG_FILE_MB`, and `LOG_FILES_KEPT` of each are kept. Phone numbers keep only their last four digits in them, and
so does a `connectionId` that looks like one; message bodies, keys and codes are masked.
"""


def example() -> str:
    """Answer `.env.supabase.example`."""
    blocks = [EXAMPLE_HEAD]
    for name, field in Settings.model_fields.items():
        extra = _extra(field)
        blocks.append(f"# {field.description}\n# {extra['pt']}\n# {name.upper()}={_shown(field) or extra['example']}\n")
    return "\n".join(blocks)


def page() -> str:
    """Answer `docs/configuration.md`."""
    rows = [
        f"| `{name.upper()}` | {_default(field)} | {field.description} | {_extra(field)['must']} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return PAGE_HEAD + "".join(rows) + PAGE_TAIL


def files() -> dict[Path, str]:
    """Answer every file that is written from the settings, with its text."""
    return {ROOT / ".env.supabase.example": example(), ROOT / "docs" / "configuration.md": page()}


def _extra(field: FieldInfo) -> dict[str, Any]:
    extra: Any = field.json_schema_extra
    return extra or {}


def _shown(field: FieldInfo) -> str:
    if field.default is None or isinstance(field.default, SecretStr):
        return ""
    return f"./{field.default}" if isinstance(field.default, Path) else str(field.default)


def _default(field: FieldInfo) -> str:
    return f"`{_shown(field)}`" if _shown(field) else "unset"


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
        print(path.relative_to(ROOT))
