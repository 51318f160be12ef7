"""Steps that look outside: WhatsApp, the webhook's receiver, and the clocks of both."""

from __future__ import annotations

import ssl
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp

from connector import guard
from connector.checkup.ground import Ground
from connector.checkup.steps import Finding, failed, fine, warned
from sessions.engine.reach import HOST, Reach

TRY = aiohttp.ClientTimeout(total=10.0, sock_connect=5.0)
APART_S = 60.0
"""So far apart, certificates, signatures and times of messages begin to be wrong."""
_ABSENT = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


async def whatsapp(ground: Ground) -> Finding:
    """A connection with TLS, the way the engine goes: through the proxy, where there is one; to the local WhatsApp in lab mode."""
    launch = ground.launch(ground.settings, ground.data.path)
    proxy = launch.proxy()
    who = f"the local WhatsApp at {proxy}" if launch.lab else HOST
    way = " through the proxy" if proxy and not launch.lab else ""
    try:
        if proxy and not proxy.startswith(
            "http:"
        ):  # that it is there is all that can be told without speaking its language
            answered = await Reach(proxy)()
        else:
            answered = await _shaken(ground, proxy, launch.environment().get("SSL_CERT_FILE"))
    except ssl.SSLError as error:
        return failed(
            f"{who} is not trusted{way} ({getattr(error, 'verify_message', '') or error.reason}).",
            "Somebody between here and WhatsApp opens its traffic, or the certificates of this machine are old.",
        )
    if answered:
        return fine(f"{who} answers{way}")
    if launch.lab:
        return failed(f"{who} does not answer.", "Start it with `python -m lab`, or unset the WHATSAPP_LAB_* settings.")
    return failed(
        f"{who} cannot be reached{way}.",
        "Allow connections to it on port 443, or set HTTPS_PROXY to the proxy of this network.",
    )


async def _shaken(ground: Ground, proxy: str | None, authority: str | None) -> bool:
    """Answer whether hands were shaken. Any answer of HTTP is one; none, or one in vain, is not."""
    trust = ssl.create_default_context(cafile=authority)
    try:
        async with (
            aiohttp.ClientSession(timeout=TRY) as http,
            http.head(f"https://{HOST}/", proxy=proxy, ssl=trust, allow_redirects=False) as answer,
        ):
            _compare(ground, "WhatsApp", answer)
            return True
    except aiohttp.ClientConnectorCertificateError as error:
        raise error.certificate_error from error
    except aiohttp.ClientHttpProxyError:
        return False
    except (aiohttp.ClientError, OSError) as error:
        if isinstance(error.__cause__, ssl.SSLError):
            raise error.__cause__ from error
        return False


async def webhook(ground: Ground) -> Finding:
    """Ask its receiver for nothing: no event is sent. Goes through the same guard as the events."""
    address = ground.settings.webhook_url
    if address is None:
        return fine("none is configured: nobody is told of events")
    http = guard.outgoing(allow_internal=ground.settings.webhook_allow_internal, connections=1, timeout=TRY)
    async with http:
        try:
            async with http.head(address.get_secret_value(), allow_redirects=False) as answer:
                _compare(ground, "the webhook's receiver", answer)
                return _judged(answer.status)
        except (aiohttp.ClientError, OSError) as error:
            return _refused(error)


def _judged(status: int) -> Finding:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return warned(
            f"The webhook's receiver answers HTTP {status}.", "Look at its own log: events wait until it takes them."
        )
    if status in _ABSENT:
        return warned(
            f"The webhook's receiver answers HTTP {status} to a HEAD.", "Look whether the path in WEBHOOK_URL is right."
        )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return warned(
            f"The webhook's receiver leads elsewhere (HTTP {status}), where events do not follow.",
            "Set WEBHOOK_URL to the address that it leads to.",
        )
    return fine(f"its receiver answers (HTTP {status} to a HEAD, which carries no event)")


def _refused(error: Exception) -> Finding:
    causes = [error, error.__cause__, getattr(error, "os_error", None)]
    if any(isinstance(one, guard.InternalAddress) for one in causes):
        return failed(
            "WEBHOOK_URL leads to an address inside your network.",
            "Set WEBHOOK_ALLOW_INTERNAL=true if the receiver is your own, or WEBHOOK_URL to a public address.",
        )
    return failed(
        f"The webhook's receiver cannot be reached ({type(error).__name__}).",
        "Look whether it runs and whether WEBHOOK_URL is right; until then events wait on disk.",
    )


def _compare(ground: Ground, whose: str, answer: aiohttp.ClientResponse) -> None:
    try:
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (KeyError, ValueError):
        return
    ground.clocks[whose] = theirs - time.time()


async def clock(ground: Ground) -> Finding:
    """Compare this machine's with those that were heard on the way."""
    for whose, ahead in ground.clocks.items():
        if abs(ahead) > APART_S:
            return warned(
                f"The clock of this machine is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} that of {whose}.",
                "Set it, and keep it right with NTP (`timedatectl set-ntp true`).",
            )
    if not ground.clocks:
        return fine("nobody was heard whose clock could be compared")
    return fine(f"within {APART_S:.0f} s of that of {' and '.join(ground.clocks)}")
