"""Every refusal of the HTTP API as `application/problem+json` (RFC 9457), and one id for each request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from uuid import uuid4

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler
from loguru import logger

from connector.api.errors import Refusal, known

REQUEST_ID = web.RequestKey("request_id", str)
REQUEST_ID_HEADER = "X-Request-ID"
MEDIA_TYPE = "application/problem+json"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEPT_HEADERS = (hdrs.ALLOW, hdrs.WWW_AUTHENTICATE, hdrs.RETRY_AFTER)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, and turn every error into a problem. Outermost: nothing escapes it as plain text."""
    request[REQUEST_ID] = _request_id(request)
    with logger.contextualize(request=request[REQUEST_ID]):
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status < HTTPStatus.BAD_REQUEST:
                raise
            return _problem(request, _of_aiohttp(error))
        except Refusal as refusal:
            return _problem(request, refusal)
        except Exception as error:  # noqa: BLE001 - a caller gets an answer whatever happens, and the log gets the reason
            refusal = known(error)
            if refusal is None or refusal.status == HTTPStatus.INTERNAL_SERVER_ERROR:
                logger.exception("A request failed: {} {}", request.method, request.path)
            return _problem(request, refusal or _BUG)


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _GIVEN_ID.fullmatch(given) else str(uuid4())


def _of_aiohttp(error: web.HTTPException) -> Refusal:
    phrase = HTTPStatus(error.status).phrase
    headers = {str(name): error.headers[name] for name in _KEPT_HEADERS if name in error.headers}
    return Refusal(error.status, phrase.lower().replace(" ", "_"), _SENTENCES.get(error.status, f"{phrase}."), headers)


_BUG = Refusal(500, "bug", "This is a fault of the service: its log says more, under this request id.")
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take this method; the header Allow names those it takes.",
    413: "The body is larger than this address takes.",
}


def _problem(request: web.Request, refusal: Refusal) -> web.Response:
    return problem(refusal, request[REQUEST_ID])


def problem(refusal: Refusal, request_id: str) -> web.Response:
    """Answer *refusal* as a caller gets it."""
    body: Mapping[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "code": refusal.code,
        "detail": str(refusal),
        "requestId": request_id,
        **refusal.members,
    }
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(status=refusal.status, text=text, headers=refusal.headers, content_type=MEDIA_TYPE)
