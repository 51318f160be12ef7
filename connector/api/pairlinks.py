"""Links to the tenant's page, made for those who have the key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import BeforeValidator, Field

from connector.api.connections import BASE, NO_STORE
from connector.api.fields import Body, Id, Shown
from connector.api.ports import LinksPort
from connector.api.route import Reply, route

PAGE = "/pair/"
"""Where the tenant's page is: what follows is the token."""
_MINUTE, _HOUR, _WEEK = 60, 3_600, 7 * 86_400


def _whole(value: object) -> object:
    """To JSON 90.0 is a whole number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Wish(Body):
    """How long a link is to last, in seconds: from a minute to a week."""

    expires_in_seconds: Annotated[int, Field(ge=_MINUTE, le=_WEEK), BeforeValidator(_whole)] = _HOUR


class PairLink(Shown):
    """A link to send to whoever has the phone. Whoever has it can link a phone to this connection, and nothing else."""

    url: str
    path: str
    expires_at: datetime


class PairLinks:
    """The resource. *public_url*: where browsers reach this service, if not where the caller does."""

    def __init__(self, links: LinksPort, public_url: str | None = None) -> None:
        self._links = links
        self._public_url = public_url

    @route(
        "POST",
        BASE + "/{connectionId}/pair-link",
        tag="connections",
        status=201,
        refuses={404: "There is no connection with this connectionId.", 507: "The disk is nearly full."},
    )
    async def make(self, connection_id: Id, body: Wish, request: web.Request) -> Reply[PairLink]:
        """Make a link to a page where a person without the key links a phone.

        A connection has one link at a time: the one before ends. A link ends with its connection, too.
        """
        made = await self._links.make(connection_id, body.expires_in_seconds)
        path = PAGE + made.token
        origin = self._public_url or f"{request.scheme}://{request.host}"
        return Reply(PairLink(url=origin + path, path=path, expires_at=made.expires_at), headers=NO_STORE)
