"""The control API put together."""

from aiohttp import web

from lab.control.context import Context
from lab.control.devices import DeviceEndpoints
from lab.control.faults import FaultEndpoints
from lab.control.phones import PhoneEndpoints
from lab.control.problems import as_problems

_MAX_BODY = 4 * 1024 * 1024


def control_application(context: Context) -> web.Application:
    """Every endpoint over one lab."""
    application = web.Application(middlewares=[as_problems], client_max_size=_MAX_BODY)
    for endpoints in (PhoneEndpoints(context), DeviceEndpoints(context), FaultEndpoints(context)):
        application.router.add_routes(endpoints.routes())
    return application
