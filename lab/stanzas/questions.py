"""The small questions an engine asks after login, answered as an account without any settings would be."""

from typing import Final

from lab.lines import Line
from lab.node import Node
from lab.stanzas.words import refusal, result

_PRIVACY: Final = ("groupadd", "last", "status", "profile", "readreceipts", "online", "calladd")
_MEDIA_HOST: Final = "mmg.whatsapp.net"


async def ping(line: Line, question: Node) -> None:
    """Keepalive, and whatever else needs no more than a yes."""
    await line.send(result(question))


async def privacy(line: Line, question: Node) -> None:
    """Everything is shown to all. A set (tokens, settings) is taken without a word."""
    if question.text("type") == "set":
        await line.send(result(question))
        return
    categories = [Node("category", {"name": name, "value": "all"}) for name in _PRIVACY]
    await line.send(result(question, Node("privacy", {}, [*categories])))


async def blocklist(line: Line, question: Node) -> None:
    """Nobody is blocked."""
    await line.send(result(question, Node("list", {"dhash": "0"})))


async def picture(line: Line, question: Node) -> None:
    """Nobody has a picture."""
    await line.send(refusal(question, 404, "item-not-found"))


async def media_connection(line: Line, question: Node) -> None:
    """Where files would go. The lab keeps none yet: the host answers 404."""
    attrs = {"auth": "lab", "ttl": "3600", "auth_ttl": "3600", "max_buckets": "12"}
    await line.send(result(question, Node("media_conn", {**attrs}, [Node("host", {"hostname": _MEDIA_HOST})])))


async def groups(line: Line, question: Node) -> None:
    """There are no groups: the list of one's own is empty, and every other question is not found."""
    if question.child("participating") is not None:
        await line.send(result(question, Node("groups")))
    else:
        await line.send(refusal(question, 404, "item-not-found"))
