"""What the tests of the wire share: the engine's tables, read once, and stanzas as the vectors write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from lab.codec import Codec, Node
from lab.dictionary import Dictionary, load
from lab.jid import Jid

settings.register_profile("wire", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wire")  # a busy machine is no failure; pytest-timeout still ends what hangs


@pytest.fixture(scope="session")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Dictionary:
    return load(tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def codec(dictionary: Dictionary) -> Codec:
    return Codec(dictionary)


@pytest.fixture(scope="session")
def node_of() -> Callable[[Any], Node]:
    """Makes a Node of the form that vectors.md describes."""
    return _node


def _node(structure: Any) -> Node:
    content = structure["content"]
    if isinstance(content, list):
        content = [_node(part) for part in content]
    elif isinstance(content, dict):
        content = bytes.fromhex(content["bytes"])
    attrs = {name: _value(value) for name, value in structure["attrs"] if value is not None}
    return Node(structure["tag"], attrs, content)


def _value(value: Any) -> str | Jid:
    return Jid(**value["jid"]) if isinstance(value, dict) else value
