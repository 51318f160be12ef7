"""What a measurement of messages brought: how fast, how soon, at whose CPU's cost. As tables for people."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.figures import aligned


@dataclass(frozen=True, slots=True)
class Speed:
    """So many messages in so many seconds. `cpu_s`: of each part meanwhile; `load`: of the machine before, as in /proc/loadavg."""

    name: str
    messages: int
    seconds: float
    cpu_s: dict[str, float]
    load: float

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


@dataclass(frozen=True, slots=True)
class Latency:
    """How long so many messages took, in milliseconds."""

    name: str
    messages: int
    p50_ms: float
    p95_ms: float
    worst_ms: float
    load: float


@dataclass(slots=True)
class Report:
    """Everything that was measured, in order: bare neonize before the service that stands beside it."""

    speeds: list[Speed] = field(default_factory=list[Speed])
    latencies: list[Latency] = field(default_factory=list[Latency])

    @property
    def ratios(self) -> list[float]:
        """The service's speed as a share of bare neonize's, for each pair."""
        bare, service = self.speeds[::2], self.speeds[1::2]
        return [ours.rate / theirs.rate for theirs, ours in zip(bare, service, strict=False)]

    def table(self) -> str:
        """Answer all of it for a terminal."""
        parts = list(self.speeds[0].cpu_s) if self.speeds else []
        head = ["messages", "what", "a second", "of bare", *(f"{part} ms" for part in parts), "load"]
        rows = [self._row(place, speed) for place, speed in enumerate(self.speeds)]
        late = [
            [
                f"{one.messages}",
                one.name,
                f"{one.p50_ms:.1f}",
                f"{one.p95_ms:.1f}",
                f"{one.worst_ms:.1f}",
                f"{one.load:.1f}",
            ]
            for one in self.latencies
        ]
        tables = [
            aligned(head, rows),
            "CPU in ms a message.",
            "",
            aligned(["messages", "what", "p50 ms", "p95 ms", "worst ms", "load"], late),
        ]
        return "\n".join(tables)

    def _row(self, place: int, speed: Speed) -> list[str]:
        ratio = f"{self.ratios[place // 2]:.2f}" if place % 2 else "-"
        cpu = [f"{1000 * used / speed.messages:.2f}" for used in speed.cpu_s.values()]
        return [f"{speed.messages}", speed.name, f"{speed.rate:.0f}", ratio, *cpu, f"{speed.load:.1f}"]
