"""Workers killed again and again under load: how much was lost, and whether anybody fought or heard a text twice."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kills import ENGINE_WINDOW, Kills, Round
from benchmarks.progress import Progress
from benchmarks.rig import Numbers, Rig
from lab.client import running_lab
from sessions.fleet import Options


@dataclass(frozen=True, slots=True)
class Wish:
    """How many kills, over how many sessions, under how many texts a second in all."""

    kills: int = 20
    sessions: int = 20
    per_worker: int = 5
    rate: float = 200.0
    seed: int | None = None
    back_s: float = 5.0
    folder: Path | None = None


async def run(wish: Wish, say: Progress) -> list[str]:
    """Kill workers as *wish* says, printing a line for each; answers every bound that was broken, in sentences."""
    with tempfile.TemporaryDirectory(prefix="vigia-soak-", dir=wish.folder) as folder:
        async with running_lab() as lab, Rig(Path(folder), lab, options=Options(per_worker=wish.per_worker)) as rig:
            kills = Kills(rig, Numbers(), sessions=wish.sessions, rate=wish.rate, seed=wish.seed)
            print(f"seed {kills.seed}", flush=True)
            say(f"pairing {wish.sessions} sessions")
            async with say.ticking(lambda: f"{len(rig.fleet.snapshot())} of {wish.sessions}"):
                await kills.prepare()
            return await _kill_and_judge(kills, wish, say)


async def _kill_and_judge(kills: Kills, wish: Wish, say: Progress) -> list[str]:
    rounds: list[Round] = []
    fights = await kills.fights()
    failed: list[str] = []
    while len(rounds) < wish.kills and not failed:
        number = len(rounds) + 1
        say(f"kill {number} of {wish.kills}, after a rest of {kills.rest_s:.0f} s")
        try:
            rounds.append(await kills.round(number))
            print(line(rounds[-1], wish.back_s), flush=True)
        except TimeoutError as error:
            failed.append(f"kill {number}: {error or 'not every text arrived in time'}")
    return failed + broken(rounds, await kills.fights() - fights, wish.back_s)


def line(one: Round, back_s: float) -> str:
    """Answer one kill in a line."""
    lost = f"{one.lost} lost ({max(one.missing.values(), default=0)} at most of one session)"
    late = " LATE" if one.back_s > back_s else ""
    return (
        f"kill {one.number:3}: worker {one.victim}, back after {one.back_s:4.1f} s{late}, {lost}, {one.doubled} doubled"
    )


def broken(rounds: Sequence[Round], fights: int, back_s: float) -> list[str]:
    """Answer which bounds were broken; none is good."""
    lost = [one.number for one in rounds if max(one.missing.values(), default=0) > ENGINE_WINDOW]
    doubled = sum(one.doubled for one in rounds)
    late = [one.number for one in rounds if one.back_s > back_s]
    found = {
        f"more than {ENGINE_WINDOW} texts of one session lost by kill {_list(lost)}": lost,
        f"{doubled} texts heard twice": doubled,
        f"{fights} logins fought another": fights,
        f"back later than {back_s:g} s after kill {_list(late)}": late,
    }
    return [sentence for sentence, count in found.items() if count]


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
