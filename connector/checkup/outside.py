"""Steps that look outside: WhatsApp, the receivers of events and of alerts, and the clocks of all."""

from __future__ import annotations

import ssl
import time
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from pydantic import SecretStr

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
    """Ask the receiver of events for nothing."""
    address = ground.settings.webhook_url
    if address is None:
        return fine("none is configured: nobody is told of events")
    return await _asked(ground, address, "WEBHOOK_URL", "the webhook's receiver")


async def alerts(ground: Ground) -> Finding:
    """Ask the receiver of events that need a person for nothing."""
    address = ground.settings.alert_webhook_url
    if address is None:
        return fine("none is configured: what needs a person is told with all other events, and on the operator's page")
    return await _asked(ground, address, "ALERT_WEBHOOK_URL", "the receiver of alerts")


async def _asked(ground: Ground, address: SecretStr, setting: str, who: str) -> Finding:
    """Send a HEAD, which carries no event, through the same guard as the events."""
    http = guard.outgoing(allow_internal=ground.settings.webhook_allow_internal, connections=1, timeout=TRY)
    async with http:
        try:
            async with http.head(address.get_secret_value(), allow_redirects=False) as answer:
                _compare(ground, who, answer)
                return _judged(answer.status, setting, who)
        except (aiohttp.ClientError, OSError) as error:
            return _refused(error, setting, who)


def _judged(status: int, setting: str, who: str) -> Finding:
    begins = _sentence(who)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return warned(f"{begins} answers HTTP {status}.", "Look at its own log: events wait until it takes them.")
    if status in _ABSENT:
        return warned(f"{begins} answers HTTP {status} to a HEAD.", f"Look whether the path in {setting} is right.")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return warned(
            f"{begins} leads elsewhere (HTTP {status}), where events do not follow.",
            f"Set {setting} to the address that it leads to.",
        )
    return fine(f"its receiver answers (HTTP {status} to a HEAD, which carries no event)")


def _refused(error: Exception, setting: str, who: str) -> Finding:
    causes = [error, error.__cause__, getattr(error, "os_error", None)]
    if any(isinstance(one, guard.InternalAddress) for one in causes):
        return failed(
            f"{setting} leads to an address inside your network.",
            f"Set WEBHOOK_ALLOW_INTERNAL=true if the receiver is your own, or {setting} to a public address.",
        )
    return failed(
        f"{_sentence(who)} cannot be reached ({type(error).__name__}).",
        f"Look whether it runs and whether {setting} is right; until then events wait on disk.",
    )


def _sentence(begin: str) -> str:
    return begin[:1].upper() + begin[1:]


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
