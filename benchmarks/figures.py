"""What a measurement brought, as tables for people and JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.processes import Memory


@dataclass(frozen=True, slots=True)
class Cell:
    """One start with so many sessions; `per_worker` None is bare neonize. CPU and time in seconds, of all its processes."""

    sessions: int
    per_worker: int | None
    load: float  # of the machine before it, as in /proc/loadavg
    start_s: float
    start_cpu_s: float
    login: Memory
    idle_cpu_percent: float
    messages: int
    traffic_s: float
    traffic_cpu_s: float
    traffic: Memory
    stop_s: float

    @property
    def row(self) -> list[str]:
        """A line of the table."""
        return [
            str(self.sessions),
            f"service, {self.per_worker} a worker" if self.per_worker else "bare neonize",
            f"{self.login.engine_mb / self.sessions:.2f}",
            f"{self.traffic.engine_mb / self.sessions:.2f}",
            f"{self.traffic.hub_mb:.0f}" if self.per_worker else "-",
            f"{len(self.traffic.workers_mb)} x {_mean(self.traffic.workers_mb):.0f}" if self.per_worker else "-",
            f"{self.traffic.database_mb:.0f}" if self.per_worker else "-",
            f"{self.start_s:.1f}",
            f"{self.start_cpu_s:.1f}",
            f"{self.stop_s:.1f}" if self.per_worker else "-",
            f"{self.idle_cpu_percent:.1f}",
            f"{self.messages / self.traffic_s:.0f}",
            f"{1000 * self.traffic_cpu_s / self.messages:.2f}",
            f"{self.load:.1f}",
        ]


HEAD = [
    *("sessions", "what", "MB each, login", "MB each, traffic"),
    *("hub MB", "workers MB", "database MB"),
    *("start s", "CPU s", "stop s", "idle CPU %"),
    *("messages/s", "CPU ms each", "load"),
]


@dataclass(frozen=True, slots=True)
class PairingTime:
    """How long a session took from asking for its code to connected, in seconds: of the service, a few at once."""

    sessions: int
    median_s: float
    slowest_s: float


@dataclass(slots=True)
class Report:
    """Everything that was measured, in order."""

    bare_pairing_s: float | None = None
    pairings: list[PairingTime] = field(default_factory=list[PairingTime])
    cells: list[Cell] = field(default_factory=list[Cell])

    def table(self) -> str:
        """Answer all of it for a terminal."""
        pairing = [
            f"Pairing up to {one.sessions} sessions: median {one.median_s:.1f} s, slowest {one.slowest_s:.1f} s"
            for one in self.pairings
        ]
        if self.bare_pairing_s is not None:
            pairing.append(f"Pairing with bare neonize: median {self.bare_pairing_s:.1f} s")
        return "\n".join([*pairing, "", aligned(HEAD, [cell.row for cell in self.cells])])

    def json(self) -> str:
        """Answer all of it for a program."""
        return json.dumps(asdict(self), indent=1) + "\n"


def aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Answer a table whose columns stand under each other; all but the second to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(_line(line, widths) for line in lines)


def _line(line: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        text.ljust(width) if place == 1 else text.rjust(width)
        for place, (text, width) in enumerate(zip(line, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
