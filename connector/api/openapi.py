"""The API's own description (OpenAPI 3.1), from what its operations say of themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaMode

from connector.api.keys import HEADER
from connector.api.problems import MEDIA_TYPE
from connector.api.route import Input, Operation, Place

Json = dict[str, Any]
_REF = "#/components/schemas/{model}"
_ALWAYS = {
    400: "This is no request that can be read.",
    401: "The API key is missing or not valid.",
    429: "Too many requests come from this caller: Retry-After says when to ask again.",
    503: "Something that is needed is not ready: ask again.",
}
_WITH_INPUT = {422: "Something in the request is not as it must be; the problem names each field."}
_WITH_BODY = {413: "The body is larger than 1 MB.", 415: "The body is not application/json."}


class FieldError(BaseModel):
    """What is wrong with one field: where it stands (`body.to`, `query.limit`, `path.connectionId`), and why."""

    field: str
    detail: str


class Problem(BaseModel):
    """A refusal (RFC 9457). `code` is stable, for programs; `detail` is a sentence for a person."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    requestId: str
    errors: list[FieldError] | None = None
    reason: str | None = None


def describe(operations: Sequence[Operation], *, version: str) -> Json:
    """Answer the whole document."""
    schemas = _Schemas(operations)
    paths: Json = {}
    for one in operations:
        paths.setdefault(one.route.path, {})[one.route.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Vigia",
            "version": version,
            "description": "Many WhatsApp sessions, one service, nothing lost.",
        },
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.route.tag for one in operations)],
        "paths": paths,
        "components": {
            "schemas": schemas.shared,
            "securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": HEADER}},
        },
    }


class _Schemas:
    """The JSON schemas of every input and answer, with what they share under `components`."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._parameters: set[tuple[int, JsonSchemaMode]] = set()
        wanted: list[tuple[int, JsonSchemaMode, TypeAdapter[Any]]] = [(id(Problem), "serialization", _PROBLEM)]
        for one in operations:
            wanted.extend((id(each.adapter), "validation", each.adapter) for each in one.inputs.values())
            self._parameters.update((id(each.adapter), "validation") for each in one.of("query") + one.of("header"))
            if one.answer:
                wanted.append((id(one.answer), "serialization", one.answer))
        self._of, document = TypeAdapter.json_schemas(wanted, by_alias=True, ref_template=_REF)
        self.components: Json = document.get("$defs", {})
        self.problem = self._of[id(Problem), "serialization"]

    @property
    def shared(self) -> Json:
        """Answer what is referred to: a query is told parameter by parameter, and needs no schema of its own."""
        parameters = {self._of[key]["$ref"] for key in self._parameters if "$ref" in self._of[key]}
        return {name: each for name, each in self.components.items() if _REF.format(model=name) not in parameters}

    def taken(self, adapter: TypeAdapter[Any]) -> Json:
        return self._of[id(adapter), "validation"]

    def answered(self, adapter: TypeAdapter[Any]) -> Json:
        return self._of[id(adapter), "serialization"]

    def properties(self, one: Input) -> list[tuple[str, Json, bool]]:
        """Answer name, schema and necessity of each field of a query or header model."""
        schema = self.taken(one.adapter)
        schema = self.components[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
        required = schema.get("required", [])
        return [(name, _once(each), name in required) for name, each in schema.get("properties", {}).items()]


_PROBLEM = TypeAdapter(Problem)


def _once(schema: Json) -> Json:
    """Leave out null: a parameter that has no value is not sent."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    rest = {
        name: value for name, value in schema.items() if name != "anyOf" and not (name == "default" and value is None)
    }
    return {**rest, **kinds[0]} if len(kinds) == 1 else schema


def _operation(one: Operation, schemas: _Schemas) -> Json:
    summary, _, rest = one.doc.partition("\n\n")
    resource, _, verb = one.name.partition(".")
    described: Json = {
        "operationId": to_camel(f"{resource[0].lower()}{resource[1:]}_{verb}"),
        "tags": [one.route.tag],
        "summary": _line(summary).rstrip("."),
        "parameters": [*_path(one, schemas), *_fields(one, "query", schemas), *_fields(one, "header", schemas)],
        "responses": _answers(one, schemas) | _refusals(one, schemas),
    }
    if rest:
        described["description"] = _line(rest)
    for body in one.of("body"):
        content = {"application/json": {"schema": schemas.taken(body.adapter)}}
        described["requestBody"] = {"required": not body.optional, "content": content}
    return described


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _path(one: Operation, schemas: _Schemas) -> list[Json]:
    return [
        {"name": each.name, "in": "path", "required": True, "schema": schemas.taken(each.adapter)}
        for each in one.of("path")
    ]


def _fields(one: Operation, place: Place, schemas: _Schemas) -> list[Json]:
    return [
        {"name": name, "in": place, "required": required, "schema": schema}
        for each in one.of(place)
        for name, schema, required in schemas.properties(each)
    ]


def _answers(one: Operation, schemas: _Schemas) -> Json:
    content: Json = {}
    if one.answer:
        content["application/json"] = {"schema": schemas.answered(one.answer)}
    for media in one.route.media:
        # A stream has no end, and its schema would be that of one event: docs/events.md says what each is.
        stream = media == "text/event-stream"
        content[media] = {"schema": {}} if stream else {"schema": {"type": "string", "contentMediaType": media}}
    told = {one.route.status: HTTPStatus(one.route.status).phrase, **one.route.also}
    return {str(status): {"description": text, "content": content} for status, text in told.items()}


def _refusals(one: Operation, schemas: _Schemas) -> Json:
    told = (
        _ALWAYS | (_WITH_INPUT if one.inputs else {}) | (_WITH_BODY if one.of("body") else {}) | dict(one.route.refuses)
    )
    content = {MEDIA_TYPE: {"schema": schemas.problem}}
    return {str(status): {"description": told[status], "content": content} for status in sorted(told)}
