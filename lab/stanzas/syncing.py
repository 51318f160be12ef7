"""Application state: what an account's phone and its devices keep in step."""

from collections.abc import Callable

from lab import fields
from lab.accounts import Account
from lab.appstate import AppStateError, Collection
from lab.jid import Jid
from lab.lines import Line
from lab.node import Node
from lab.stanzas.words import result


class Syncing:
    """Answers `w:sync:app:state`. `collection` finds an account's collection, `changed` is told that one moved on."""

    def __init__(
        self,
        *,
        collection: Callable[[Account, str], Collection | None],
        changed: Callable[[Account, Collection, int], None],
    ) -> None:
        self._collection, self._changed = collection, changed

    async def answer(self, line: Line, question: Node) -> None:
        sync = question.child("sync")
        asked = sync.children if sync is not None else []
        answers = [self._one(line, node) for node in asked if node.tag == "collection"]
        await line.send(result(question, Node("sync", {}, [*answers])))

    def _one(self, line: Line, asked: Node) -> Node:
        name, version = asked.text("name"), int(asked.text("version", "0") or 0)
        collection = self._collection(line.device.account, name)
        if collection is None:
            return _refused(name, "404", "item-not-found")
        patch = asked.child("patch")
        if patch is not None:
            try:
                collection.apply(_numbered(patch.raw, collection.version + 1))
            except (AppStateError, fields.FieldsError):
                return _refused(name, "409", "conflict", *_patches(collection, version))
            self._changed(line.device.account, collection, line.device.number)
            return Node("collection", _attrs(collection))
        return Node("collection", _attrs(collection), _patches(collection, version))


def _attrs(collection: Collection) -> dict[str, str | Jid]:
    return {"name": collection.name, "version": str(collection.version), "type": "result"}


def _patches(collection: Collection, version: int) -> list[Node]:
    patches = [Node("patch", {}, one) for one in collection.since(version)]
    return [Node("patches", {}, [*patches])] if patches else []


def _numbered(patch: bytes, version: int) -> bytes:
    """A device sends its patch without a number: the server gives it the next one."""
    return patch if 1 in fields.read(patch) else fields.write((1, fields.write((1, version)))) + patch


def _refused(name: str, code: str, text: str, *patches: Node) -> Node:
    error = Node("error", {"code": code, "text": text})
    return Node("collection", {"name": name, "type": "error"}, [error, *patches])
