"""The fields that several resources share: what they must be, and how bodies, queries and answers are read and written."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

T = TypeVar("T")

_NO_NUL = r"^[^\x00]*$"
_DOTS = (".", "..")


def _no_dots(value: str) -> str:
    if value in _DOTS:
        raise ValueError("no program can ask for an address that ends in this")
    return value


def plain_number(value: Any) -> Any:
    """Refuse what int() would take beyond digits: spaces, underscores, signs, fractions."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise ValueError("not a whole number written in digits")
    return value


Id = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$"),
    AfterValidator(_no_dots),
    Field(json_schema_extra={"not": {"enum": list(_DOTS)}, "examples": ["minha-conexao-1"]}),
]
"""A caller's own name of a connection or tenant."""

Uuid = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    AfterValidator(str.lower),
    Field(json_schema_extra={"format": "uuid"}),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_NUL)]
Content = Annotated[str, StringConstraints(min_length=1, max_length=65_536, pattern=_NO_NUL)]
"""A message's text, at most as long as WhatsApp takes it."""
Recipient = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=_NO_NUL),
    Field(description="A number in any common writing, or a JID.", examples=["+55 11 98765-4321"]),
]
Limit = Annotated[int, Field(ge=1, le=500), BeforeValidator(plain_number)]
Offset = Annotated[int, Field(ge=0, le=1_000_000_000), BeforeValidator(plain_number)]


class Body(BaseModel):
    """A body: camelCase, no field that is not known, no value that is only nearly right."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class Query(BaseModel):
    """What stands behind the question mark: text, read as what it says."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Paging(Query):
    """Which part of a list is wanted."""

    limit: Limit = 50
    offset: Offset = 0


class Headers(BaseModel):
    """Headers, by their aliases. Others are none of ours."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Shown(BaseModel):
    """An answer: camelCase, made from the service's own data."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        from_attributes=True,
        frozen=True,
        json_schema_serialization_defaults_required=True,
    )


class Listed(Shown, Generic[T]):
    """One page of a list, and how many there are in all."""

    items: list[T]
    total: int
