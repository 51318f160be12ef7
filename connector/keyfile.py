"""Generated secrets: each made once, kept in a file that only its owner reads."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from connector.failures import ExitCode, StartFailure

PREFIX = "vigia_"
"""Makes the key recognisable, for the redaction and for people's own secret scanners."""


@dataclass(frozen=True, slots=True, repr=False)
class ApiKey:
    """The key callers must send, the file it lies in (None when a setting gave it), and whether it was made just now."""

    value: str
    file: Path | None = None
    made_now: bool = False


def new_api_key() -> str:
    """Answer a key for callers of the API."""
    return PREFIX + secrets.token_urlsafe(32)


def new_webhook_secret() -> str:
    """Answer a secret in the form of Standard Webhooks: 32 random bytes in base64, with its prefix."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def read_or_make(path: Path, new: Callable[[], str] = new_api_key) -> ApiKey:
    """Answer the secret in *path*, making it first when there is none. Two processes at once get the same one."""
    try:
        made_now = not path.exists() and _make(path, new())
        path.chmod(0o600)
        value = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StartFailure(
            ExitCode.DATA_DIR, f"The key in {path} cannot be read or made ({error}): mend or remove it."
        ) from error
    if not value or not value.isascii() or not value.isprintable():
        raise StartFailure(
            ExitCode.DATA_DIR, f"The key in {path} is damaged: remove the file, and the next start makes a new key."
        )
    return ApiKey(value, path, made_now)


def replace(path: Path, new: Callable[[], str] = new_api_key) -> ApiKey:
    """Put a new secret into *path*, whether there was one or not, and answer it: who reads meanwhile gets the old one or the new one."""
    secret = new()
    try:
        draft = _draft(path, secret)
        try:
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise StartFailure(
            ExitCode.DATA_DIR, f"The key in {path} cannot be replaced ({error.strerror}): give its folder to this user."
        ) from error
    return ApiKey(secret, path, made_now=True)


def _make(path: Path, secret: str) -> bool:
    """Write a new secret and give it its name in one step, unless another process was first. Tells whether this one won."""
    draft = _draft(path, secret)
    try:
        os.link(draft, path)  # unlike a rename, it fails when the name is taken
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _draft(path: Path, secret: str) -> Path:
    draft = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "w", encoding="ascii") as text:
            text.write(secret + "\n")
            text.flush()
            os.fsync(text.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return draft


def _sync(folder: Path) -> None:
    """Keep a new name for good: a power cut must not bring the old key back."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
