"""Links for those without a key: they lead to one connection for a while, and what is kept of them opens nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from connector.facts import ConnectionRef
from connector.pairlinks import PairLinks
from connector.refusals import UnknownConnection, UnknownLink
from connector.spool import Spool
from connector.spool.rows import Connection

NOW = 1_800_000_000.0


@dataclass
class House:
    """Links over a spool, with connections and a clock of words only."""

    spool: Spool
    now: float = NOW
    sessions: dict[str, str] = field(default_factory=lambda: {"loja": "s-1", "outra": "s-2"})

    def ref(self, connection_id: str) -> ConnectionRef:
        if connection_id not in self.sessions:
            raise UnknownConnection
        return ConnectionRef(connection_id, self.sessions[connection_id], "Loja", "eu", None)

    @property
    def links(self) -> PairLinks:
        return PairLinks(self.spool.pair_links, self, lambda: self.now)


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    house = House(await Spool.opened(tmp_path / "spool"))
    yield house
    await house.spool.close()


async def refused(house: House, token: str) -> str:
    with pytest.raises(UnknownLink) as caught:
        await house.links.open(token)
    return str(caught.value)


async def test_a_link_leads_to_its_connection(house: House) -> None:
    """And to no other; it says until when."""
    made = await house.links.make("loja", 600)
    opened = await house.links.open(made.token)
    assert (opened.connection_id, opened.session, opened.expires_at) == ("loja", "s-1", NOW + 600)
    assert made.expires_at.timestamp() == NOW + 600
    assert len(made.token) >= 43


async def test_whatever_is_wrong_the_answer_is_one(house: House) -> None:
    """Expired, replaced, never made, its connection gone, or another of the same id: nobody learns which."""
    said: set[str] = set()
    old = await house.links.make("loja", 600)
    new = await house.links.make("loja", 600)
    said.add(await refused(house, old.token))
    house.sessions["loja"] = "s-3"
    said.add(await refused(house, new.token))
    del house.sessions["loja"]
    said.add(await refused(house, new.token))
    other = await house.links.make("outra", 600)
    house.now += 600
    said.add(await refused(house, other.token))
    for odd in ("", "x" * 43, "é\udce9", other.token[:-1], f"{other.token}="):
        said.add(await refused(house, odd))
    assert said == {UnknownLink.__doc__}


async def test_no_link_to_nothing(house: House) -> None:
    """There is no connection of this id."""
    with pytest.raises(UnknownConnection):
        await house.links.make("nenhuma", 600)


async def test_it_survives_a_restart_and_its_token_is_not_on_disk(house: House, tmp_path: Path) -> None:
    """Whoever reads the disk, or a backup of it, opens nothing."""
    made = await house.links.make("loja", 600)
    await house.spool.close()
    assert not any(made.token.encode() in path.read_bytes() for path in (tmp_path / "spool").iterdir())
    house.spool = await Spool.opened(tmp_path / "spool")
    assert (await house.links.open(made.token)).connection_id == "loja"


async def test_it_goes_with_its_connection_and_with_time(house: House) -> None:
    """Nothing of it stays on disk."""
    connection = Connection("loja", "s-1", "Loja", "eu", None, 0, b"")
    await house.spool.connections.put(connection)
    made = await house.links.make("loja", 600)
    await house.spool.connections.delete("loja")
    await refused(house, made.token)
    first, second = await house.links.make("loja", 60), await house.links.make("outra", 600)
    house.now += 61
    await house.links.forget()
    house.now -= 61
    await refused(house, first.token)
    assert (await house.links.open(second.token)).connection_id == "outra"
