"""For operators: start the parts of the service, see how they are, restart them, hear what happens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, Protocol

from aiohttp import web
from pydantic import Field

from connector.api.fields import Body, Query, Shown
from connector.api.route import Reply, route
from connector.api.sse import Source, answer
from connector.api.stats import FiguresPort, Stats
from connector.lifecycle import Condition, Job, Name
from connector.refusals import CannotStart
from connector.store.errors import StoreError

BASE = "/api/whatsapp-bootstrap"
_TAG = "bootstrap"
_LAST = 2**62
"""No event has a higher number."""


class BootstrapPort(Protocol):
    """The service as an operator handles it."""

    @property
    def initialized(self) -> bool:
        """Whether everything was started."""
        ...

    def conditions(self) -> Mapping[Name, Condition]:
        """Answer how each service is."""
        ...

    async def initialize(self) -> bool:
        """Start what does not run; answer whether there was anything to start."""
        ...

    def restart(self, names: Sequence[Name]) -> Job:
        """Begin to restart services. Raises `NotInitialized`, `RestartUnderWay`."""
        ...

    def job(self, job_id: str) -> Job:
        """Answer a restart. Raises `UnknownJob`."""
        ...

    async def ended(self, job_id: str, wait_s: float) -> Job:
        """Answer a restart once it has ended, or as it is after *wait_s*."""
        ...


class StepOf(Shown):
    """One step of the test: ok, warn, fail or skipped, what was found, and what to do about it."""

    name: str
    title: str
    status: Literal["ok", "warn", "fail", "skipped"]
    detail: str
    remedy: str
    seconds: float


class TestPort(Protocol):
    """Tries the whole chain."""

    async def run(self) -> list[StepOf]:
        """Take every step and answer what each found."""
        ...


class ServiceState(Shown):
    """One service: running, stopped or degraded, and why."""

    name: str
    state: Literal["running", "stopped", "degraded"]
    detail: str


class Initialized(Shown):
    """What runs now. `started`: whether this call started it."""

    initialized: bool
    started: bool
    services: list[ServiceState]


class Reason(Shown):
    """Something that is not as it should be."""

    code: str
    detail: str


class StatusOf(Shown):
    """How the service is: ok, degraded (it heals, or somebody should look), or unready."""

    initialized: bool
    status: Literal["ok", "degraded", "unready"]
    version: str
    started_at: datetime
    lab: bool
    reasons: list[Reason]
    services: list[ServiceState]


class RestartIn(Body):
    """Which services; all of them when left out."""

    services: Annotated[list[Name], Field(max_length=16, default_factory=list[Name])]


class JobOf(Shown):
    """A restart: running, done or failed, with an error by service."""

    job_id: str
    services: list[str]
    status: Literal["running", "done", "failed"]
    started_at: datetime
    ended_at: datetime | None
    errors: dict[str, str]


class Tested(Shown):
    """What the test found. `ok`: no step failed."""

    ok: bool
    steps: list[StepOf]


class HowLong(Query):
    """How long to wait for the end, in seconds."""

    wait: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = 0.0


class Since(Query):
    """After which event to begin: the number in the `id` of the last one that arrived."""

    after: Annotated[int, Field(ge=0, le=_LAST)] | None = None


class Bootstrap:
    """The resource."""

    def __init__(self, services: BootstrapPort, figures: FiguresPort, test: TestPort, events: Source) -> None:
        self._services = services
        self._test = test
        self._figures = figures
        self._events = events

    @route("POST", BASE + "/initialize", tag=_TAG, refuses={503: "Something has to be mended first."})
    async def initialize(self) -> Initialized:
        """Start what does not run.

        With AUTO_INITIALIZE=false the service only answers HTTP until this is called. To call it again changes nothing.
        """
        try:
            started = await self._services.initialize()
        except StoreError as error:  # a data folder of another PostgreSQL, say: the sentence tells what to do
            raise CannotStart(f"The services do not start: {error}.") from error
        return Initialized(initialized=self._services.initialized, started=started, services=self._states())

    @route("GET", BASE + "/status", tag=_TAG)
    async def status(self) -> StatusOf:
        """Answer how the service and its parts are."""
        told = self._figures.summary()
        return StatusOf(
            initialized=self._services.initialized,
            status=told.status,
            version=told.version,
            started_at=datetime.fromtimestamp(told.started_at, UTC),
            lab=told.lab,
            reasons=[Reason(code=code, detail=detail) for code, detail in told.reasons],
            services=self._states(),
        )

    @route("GET", BASE + "/stats", tag=_TAG)
    async def stats(self) -> Stats:
        """Answer every figure: sessions, queues, workers, sends, the database, the disk, and what the watchdog finds wrong."""
        return self._figures.stats()

    @route("POST", BASE + "/test", tag=_TAG)
    async def test(self) -> Tested:
        """Try the whole chain, step by step: settings, disk, queue, engine, database, tables, rights, WhatsApp, webhook, sessions.

        Each step says how long it took and, where something is wrong, what to do. In lab mode a message is sent too.
        """
        steps = await self._test.run()
        return Tested(ok=all(one.status != "fail" for one in steps), steps=steps)

    @route(
        "POST",
        BASE + "/restart",
        tag=_TAG,
        status=202,
        also={200: "It has ended."},
        refuses={409: "A restart is under way already.", 503: "The service was not started yet."},
    )
    async def restart(self, body: RestartIn, query: HowLong) -> Reply[JobOf]:
        """Restart services: sessions, workers, watchdog, sinks, database.

        No event is lost, and no phone has to be linked again. Answers at once with a job to follow; with `wait`, once it has ended.
        """
        begun = self._services.restart(body.services)
        job = await self._services.ended(begun.id, query.wait)
        headers = {"Location": f"{BASE}/jobs/{job.id}"}
        return Reply(_job(job), status=202 if job.status == "running" else 200, headers=headers)

    @route("GET", BASE + "/jobs/{jobId}", tag=_TAG, refuses={404: "There is no such job."})
    async def job(self, job_id: Annotated[str, Field(pattern="^[0-9a-f]{32}$")], query: HowLong) -> JobOf:
        """Answer a restart; with `wait`, once it has ended."""
        self._services.job(job_id)
        return _job(await self._services.ended(job_id, query.wait))

    @route("GET", BASE + "/events", tag=_TAG, media=("text/event-stream",))
    async def events(self, request: web.Request, query: Since) -> web.StreamResponse:
        """Stream events as they happen (server-sent events).

        `after`, or the header Last-Event-ID, begins after that event; `gap` comes first where messages of meanwhile may be missing.
        """
        after = query.after if query.after is not None else _last(request)
        return await answer(request, self._events, after)

    def _states(self) -> list[ServiceState]:
        return [
            ServiceState(name=name, state=one.state, detail=one.detail)
            for name, one in self._services.conditions().items()
        ]


def _last(request: web.Request) -> int | None:
    """Answer the number that a browser which comes back sends; what is no such number is none."""
    told = request.headers.get("Last-Event-ID", "")
    return min(int(told[:19]), _LAST) if told.isascii() and told.isdigit() else None


def _job(job: Job) -> JobOf:
    return JobOf(
        job_id=job.id,
        services=list(job.services),
        status=job.status,
        started_at=datetime.fromtimestamp(job.started_at, UTC),
        ended_at=None if job.ended_at is None else datetime.fromtimestamp(job.ended_at, UTC),
        errors=job.errors,
    )
