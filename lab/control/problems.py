"""Errors of the control API: RFC 9457 documents with one sentence that says what to do."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from lab.linking import BadCode, ExpiredCode, LinkError, NoAnswer, UnknownCode
from lab.mailbox import MailboxFull
from lab.phone import PhoneError
from lab.phones import PhoneExists
from lab.registry import TooManyDevices

log = logging.getLogger(__name__)

_STATUS: dict[type[Exception], HTTPStatus] = {
    UnknownCode: HTTPStatus.NOT_FOUND,
    ExpiredCode: HTTPStatus.GONE,
    BadCode: HTTPStatus.UNPROCESSABLE_ENTITY,
    NoAnswer: HTTPStatus.GATEWAY_TIMEOUT,
    LinkError: HTTPStatus.CONFLICT,
    PhoneExists: HTTPStatus.CONFLICT,
    PhoneError: HTTPStatus.CONFLICT,
    TooManyDevices: HTTPStatus.CONFLICT,
    MailboxFull: HTTPStatus.INSUFFICIENT_STORAGE,
}


class Problem(Exception):
    """A request that cannot be done, with its status and its sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def not_found(sentence: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, sentence)


def conflict(sentence: str) -> Problem:
    return Problem(HTTPStatus.CONFLICT, sentence)


def unprocessable(sentence: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, sentence)


@web.middleware
async def as_problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turns every error into a problem document."""
    try:
        return await handler(request)
    except Problem as problem:
        return _document(problem.status, str(problem))
    except msgspec.MsgspecError as error:
        return _document(HTTPStatus.UNPROCESSABLE_ENTITY, f"The body does not fit: {error}.")
    except web.HTTPException as error:
        return _document(HTTPStatus(error.status), f"{error.reason}: {request.method} {request.path}.")
    except tuple(_STATUS) as error:
        status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
        return _document(status, str(error))
    except Exception:
        log.exception("%s %s failed", request.method, request.rel_url.path)
        return _document(HTTPStatus.INTERNAL_SERVER_ERROR, "The lab has a fault of its own: see its log.")


def _document(status: HTTPStatus, sentence: str) -> web.Response:
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": sentence}
    return web.json_response(body, status=status.value, content_type="application/problem+json")
