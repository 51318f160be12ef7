"""Writes the table in `web/operator/causes.js`, what the operator's page says in Portuguese, from the service's own."""

from __future__ import annotations

import json
import re
from pathlib import Path

from connector.portuguese import CAUSES

ROOT = Path(__file__).parents[1]
PAGE = "web/operator/causes.js"
_TABLE = re.compile(r"(?<=^const causes = \{\n).*?(?=^\};$)", re.MULTILINE | re.DOTALL)


def files() -> dict[str, str]:
    """Answer each file by its path, with what belongs in it. Beside its table the page's file stays as it is."""
    rows = "".join(f"  {_quoted(english)}: {_quoted(portuguese)},\n" for english, portuguese in CAUSES.items())
    text, tables = _TABLE.subn(lambda _: rows, (ROOT / PAGE).read_text("utf-8"))
    if tables != 1:
        raise SystemExit(f"{PAGE} has {tables} tables that begin with `const causes = {{`.")
    return {PAGE: text}


def main() -> None:
    """Write them."""
    for name, text in files().items():
        (ROOT / name).write_text(text, "utf-8")
        print(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


if __name__ == "__main__":
    main()
