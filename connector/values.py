"""What the values of settings must be, and in which form they are kept. Each raises `ValueError` for what it does not take."""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import limits
from pydantic import SecretStr

_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*\.?")


def host(value: str) -> str:
    """An IP address or a host name."""
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        if _HOST_NAME.fullmatch(value) and not value.replace(".", "").isdigit():
            return value
        raise


def folder(value: Path) -> Path:
    """A folder, as an absolute path; `~` is the home folder."""
    try:
        return Path(os.path.abspath(value.expanduser()))  # noqa: PTH100 - resolve() would follow links, absolute() keeps ".."
    except RuntimeError as error:  # "~" where no home folder is known
        raise ValueError(str(error)) from error


def readable(value: Path) -> Path:
    """A file that this user can read."""
    path = folder(value)
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValueError("not a file that can be read")
    return path


def proxy(value: str) -> str:
    """An http address with a port and no path."""
    parts = urlsplit(value)
    if parts.scheme != "http" or not parts.hostname or not parts.port or parts.path.strip("/"):
        raise ValueError("not an http address with a port")
    return value.rstrip("/")


def database(value: SecretStr) -> SecretStr:
    """The address of a PostgreSQL database."""
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("postgres", "postgresql") or not (parts.hostname or "host=" in parts.query):
        raise ValueError("not the address of a PostgreSQL database")
    _ = parts.port  # raises ValueError where it is none
    return value


def web_address(value: SecretStr) -> SecretStr:
    """An http or https address without a fragment."""
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or parts.port == 0:
        raise ValueError("not an http address")
    return value


def project(value: str) -> str:
    """Answer a project's address as its interfaces begin. People copy it with the path of one of them."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.port == 0:
        raise ValueError("not an http address")
    if parts.username or parts.hostname in ("supabase.com", "app.supabase.com") or parts.hostname.startswith("db."):
        raise ValueError("the address of something else")
    return value.rstrip("/").removesuffix("/rest/v1").rstrip("/")


def service_key(value: SecretStr) -> SecretStr:
    """Refuse a key that browsers are given: over it nothing could be written, and nothing would be seen."""
    text = header_value(value).get_secret_value()
    if text.startswith("sb_publishable_") or _role(text) in ("anon", "authenticated"):
        raise ValueError("a key for browsers")
    return value


def _role(key: str) -> str | None:
    """Answer the role that a legacy key names, which is a JWT; None where it is none."""
    try:
        _, claims, _ = key.split(".")
        return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["role"]
    except (ValueError, KeyError, TypeError):
        return None


def origin_of_ours(value: str) -> str:
    """The address at which people reach this service."""
    parts = urlsplit(value.rstrip("/"))
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username
        or value.rstrip("/").count("/") > 2
    ):
        raise ValueError("not the address of a host")
    _ = parts.port  # raises ValueError where it is none
    if parts.query or parts.fragment:
        raise ValueError("there is something after the host")
    return value.rstrip("/")


def webhook_secret(value: SecretStr) -> SecretStr:
    """Base64 of at least 24 bytes, with or without `whsec_`."""
    text = value.get_secret_value().removeprefix("whsec_")
    if len(base64.b64decode(text, validate=True)) < 24:
        raise ValueError("too short")
    return value


def header_value(value: SecretStr) -> SecretStr:
    """One word of visible ASCII, as a header can carry it."""
    if not re.fullmatch(r"[!-~]+", value.get_secret_value()):
        raise ValueError("not a word of visible ASCII characters")
    return value


def origins(value: str) -> str:
    """Origins of web pages, with commas between them."""
    for origin in filter(None, map(str.strip, value.split(","))):
        parts = urlsplit(origin)
        plain = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/") and "@" not in origin
        if origin != "*" and (not plain or parts.query or parts.fragment):
            raise ValueError("not an origin")
    return value


def rate(value: str) -> str:
    """A rate as the library `limits` writes it."""
    if value.strip().lower() != "off" and limits.parse(value.strip()).amount < 1:
        raise ValueError("nobody could make a request")
    return value


def networks(value: str) -> str:
    """Networks, with commas between them."""
    for network in filter(None, map(str.strip, value.split(","))):
        ipaddress.ip_network(network)
    return value


def upper(value: object) -> object:
    """A word in whatever case."""
    return value.upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """A word in whatever case."""
    return value.lower() if isinstance(value, str) else value
