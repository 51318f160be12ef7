"""One decorator for the resources: what a handler takes and what it answers stands in its signature, and pydantic holds it to that.

    @route("PUT", "/things/{thingId}", tag="things", refuses=(404,))
    async def change(self, thing_id: ThingId, body: Change, query: Options, headers: Wishes) -> Thing: ...

Arguments named `body`, `query`, `headers` and `request` are what they say; every other is a part of the path, in camelCase there.
Whatever is wrong is said at once, field by field.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Generic, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from aiohttp import web
from multidict import CIMultiDictProxy, MultiMapping
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from connector.api.errors import Refusal

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Awaitable[object]])
Place = Literal["body", "query", "header", "path"]

_MARK = "__route__"
_PLACES: dict[str, Place] = {"body": "body", "query": "query", "headers": "header"}
_MOST_ERRORS = 20
_LONGEST_FIELD = 128


@dataclass(frozen=True, slots=True)
class Reply(Generic[T]):
    """An answer that chooses its status, or brings headers of its own."""

    value: T
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Route:
    """What the decorator was told. `also`: further statuses with the same body; `media`: other types it may answer with."""

    method: str
    path: str
    tag: str
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict[int, str])
    refuses: Mapping[int, str] = field(default_factory=dict[int, str])
    media: tuple[str, ...] = ()


def route(
    method: str,
    path: str,
    *,
    tag: str,
    status: int = 200,
    also: Mapping[int, str] | None = None,
    refuses: Mapping[int, str] | None = None,
    media: tuple[str, ...] = (),
) -> Callable[[F], F]:
    """Say where a method of a resource is reached, what it may answer, and what it may refuse (status to sentence)."""
    told = Route(method, path, tag, status, dict(also or {}), dict(refuses or {}), media)

    def mark(handler: F) -> F:
        setattr(handler, _MARK, told)
        return handler

    return mark


@dataclass(frozen=True, slots=True)
class Input:
    """One argument of a handler: where it comes from, its name there, what it must be."""

    place: Place
    name: str
    adapter: TypeAdapter[Any]
    kind: Any

    @property
    def optional(self) -> bool:
        """Whether a body may be left out: everything in it has a default."""
        return issubclass(self.kind, BaseModel) and not any(
            one.is_required() for one in self.kind.model_fields.values()
        )


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of a resource, ready to be served and to be described."""

    route: Route
    name: str
    doc: str
    handler: Callable[..., Awaitable[object]]
    inputs: Mapping[str, Input]
    request: str | None
    answer: TypeAdapter[Any] | None

    def of(self, place: Place) -> list[Input]:
        """Answer the inputs that come from *place*."""
        return [one for one in self.inputs.values() if one.place == place]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Check the request, call the handler, dress its answer."""
        arguments = await self._read(request)
        if self.request:
            arguments[self.request] = request
        value: Any = await self.handler(**arguments)
        if isinstance(value, web.StreamResponse):
            return value
        reply = cast(Reply[Any], value if isinstance(value, Reply) else Reply(value))
        body = self.answer.dump_json(reply.value, by_alias=True) if self.answer else None
        return web.Response(
            status=reply.status or self.route.status, body=body, headers=reply.headers, content_type="application/json"
        )

    async def _read(self, request: web.Request) -> dict[str, Any]:
        found: dict[str, Any] = {}
        wrong: list[dict[str, str]] = []
        for argument, one in self.inputs.items():
            try:
                found[argument] = await _value(request, one)
            except ValidationError as error:
                wrong.extend(_told(error, one))
        if wrong:
            fields = ", ".join(dict.fromkeys(each["field"] for each in wrong[:3]))
            detail = f"The request is not as this address takes it: see {fields}."
            raise Refusal(422, "invalid", detail, members={"errors": wrong[:_MOST_ERRORS]})
        return found


def operations(resource: object) -> Iterator[Operation]:
    """Answer the operations of *resource*: its methods that carry the decorator, as they stand in its class."""
    for name, function in vars(type(resource)).items():
        told = getattr(function, _MARK, None)
        if isinstance(told, Route):
            yield _operation(told, f"{type(resource).__name__}.{name}", getattr(resource, name))


def _operation(told: Route, name: str, handler: Callable[..., Awaitable[object]]) -> Operation:
    hints = get_type_hints(handler, include_extras=True)
    answer = hints.pop("return")
    request = next((argument for argument, kind in hints.items() if kind is web.Request), None)
    inputs = {argument: _input(argument, kind) for argument, kind in hints.items() if argument != request}
    return Operation(told, name, inspect.getdoc(handler) or "", handler, inputs, request, _described(answer))


def _described(answer: Any) -> TypeAdapter[Any] | None:
    """Answer what the JSON of *answer* is: a ready-made response has none, a `Reply` that of its value."""
    kinds = get_args(answer) if get_origin(answer) in (Union, UnionType) else (answer,)
    for kind in kinds:
        if not (inspect.isclass(kind) and issubclass(kind, web.StreamResponse)):
            return TypeAdapter(get_args(kind)[0] if get_origin(kind) is Reply else kind)
    return None


def _input(argument: str, kind: Any) -> Input:
    place = _PLACES.get(argument, "path")
    return Input(place, argument if place != "path" else to_camel(argument), TypeAdapter(kind), kind)


async def _value(request: web.Request, one: Input) -> Any:
    if one.place == "body":
        if one.optional and not await _body(request):
            return one.adapter.validate_python({})
        if request.content_type != "application/json":
            raise Refusal(415, "unsupported_media_type", "Send the body as application/json.")
        return one.adapter.validate_json(await _body(request))
    if one.place == "query":
        return one.adapter.validate_python(_collect(request.query, set(request.query)))
    if one.place == "header":
        return one.adapter.validate_python(_collect(request.headers, _headers_of(one.kind, request.headers)))
    return one.adapter.validate_python(request.match_info[one.name])


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.RequestPayloadError as error:
        raise Refusal(400, "bad_request", "The body does not arrive as its headers promise.") from error


def _collect(values: MultiMapping[str], names: set[str]) -> dict[str, str | list[str]]:
    """Answer each value under its name; what was sent more than once is a list, which no plain field takes."""
    return {name: found[0] if len(found := values.getall(name)) == 1 else found for name in names}


def _headers_of(kind: type[BaseModel], given: CIMultiDictProxy[str]) -> set[str]:
    return {name for one in kind.model_fields.values() if (name := one.alias or "") in given}


def _told(error: ValidationError, one: Input) -> Iterator[dict[str, str]]:
    start = one.place if one.place != "path" else f"path.{one.name}"
    for each in error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_ERRORS]:
        where = ".".join([start, *(str(part) for part in each["loc"])])
        yield {"field": where[:_LONGEST_FIELD].encode("ascii", "replace").decode(), "detail": each["msg"]}
