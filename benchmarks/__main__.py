"""`python -m benchmarks`: what the service costs, and what it survives. Everything runs on this machine, against a local WhatsApp."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from loguru import logger

from benchmarks import backlog, drain, faults, fleet_outage, flow, inbound, mayhem, outage, outbound, sessions, soak
from benchmarks.database import Way
from benchmarks.figures import Report
from benchmarks.progress import Progress

INTERRUPTED = 130
_EXIT_STATUS = """Exit status 1: a kill cost a session more than 100 texts, a text was heard twice, two logins of one account
fought, or sessions came back late; with --whole also: a text is no row or two, out of order, without its event, or a send without
an end. The seed decides whom the kills hit and when, not what else the machine does meanwhile."""


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark; answers the exit status."""
    os.umask(0o077)
    chosen = _parser().parse_args(arguments)
    logger.remove()
    logger.add(sys.stderr, level=chosen.log)
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        return chosen.run(chosen)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


def _as_interrupt(_number: int, _frame: object) -> None:
    signal.raise_signal(signal.SIGINT)


def _sessions(chosen: argparse.Namespace) -> int:
    plan = sessions.QUICK if chosen.quick else sessions.Plan()
    plan = replace(
        plan,
        counts=chosen.counts or plan.counts,
        per_worker=chosen.per_worker or plan.per_worker,
        folder=chosen.folder,
    )
    report = Report()
    try:
        asyncio.run(sessions.run(plan, Progress(), report))
    finally:
        if report.cells:  # broken off after an hour, what was measured is still told
            print(report.table(), flush=True)
            if chosen.json:
                chosen.json.write_text(report.json())
    return 0


def _soak(chosen: argparse.Namespace) -> int:
    if chosen.whole:
        return _mayhem(chosen)
    if chosen.outage:
        return _outage(chosen)
    wish = soak.Wish(
        kills=chosen.kills,
        sessions=chosen.sessions,
        per_worker=chosen.per_worker,
        rate=chosen.rate,
        seed=chosen.seed,
        back_s=chosen.back_within,
        folder=chosen.folder,
    )
    broken = asyncio.run(soak.run(wish, Progress()))
    print("\n".join(["BROKEN:", *broken]) if broken else f"held: {wish.kills} kills, every bound kept")
    return 1 if broken else 0


def _mayhem(chosen: argparse.Namespace) -> int:
    wish = mayhem.Wish(
        rounds=chosen.kills,
        sessions=chosen.sessions,
        per_worker=chosen.per_worker,
        rate=chosen.rate,
        seed=chosen.seed,
        folder=chosen.folder,
    )
    broken = asyncio.run(mayhem.run(wish, Progress()))
    print("\n".join(["BROKEN:", *broken]) if broken else f"held: {wish.rounds} rounds, every promise kept")
    return 1 if broken else 0


def _outage(chosen: argparse.Namespace) -> int:
    wish = outage.Wish(runs=chosen.kills, seed=chosen.seed, folder=chosen.folder)
    wish = replace(wish, ways=tuple(chosen.over or wish.ways))
    broken = asyncio.run(outage.run(wish, Progress()))
    print("\n".join(["BROKEN:", *broken]) if broken else f"held: {wish.runs} runs, every promise kept")
    return 1 if broken else 0


def _inbound(chosen: argparse.Namespace) -> int:
    plan = replace(inbound.QUICK if chosen.quick else inbound.Plan(), folder=chosen.folder)
    report = flow.Report()
    asyncio.run(inbound.run(plan, Progress(), report))
    slow = not chosen.quick and report.speeds[1].rate < inbound.LONE_FLOOR
    return _told(report, f"BELOW THE FLOOR: {inbound.LONE_FLOOR:.0f} texts a second of one phone" if slow else "")


def _outbound(chosen: argparse.Namespace) -> int:
    plan = replace(outbound.QUICK if chosen.quick else outbound.Plan(), folder=chosen.folder)
    report = flow.Report()
    asyncio.run(outbound.run(plan, Progress(), report))
    slow = not chosen.quick and report.ratios[-1] < outbound.FLOOR
    return _told(report, f"BELOW THE FLOOR: {outbound.FLOOR} of bare neonize" if slow else "")


def _backlog(chosen: argparse.Namespace) -> int:
    plan = replace(backlog.QUICK if chosen.quick else backlog.Plan(), folder=chosen.folder)
    report = backlog.Report()
    asyncio.run(backlog.run(plan, Progress(), report))
    print(report.table())
    if report.astray or not (chosen.quick or report.held):
        print(f"BROKEN: events astray, or more than {backlog.BOUND} of normal")
        return 1
    return 0


def _drain(chosen: argparse.Namespace) -> int:
    plan = replace(drain.QUICK if chosen.quick else drain.Plan(), folder=chosen.folder)
    plan = replace(plan, ways=chosen.over or plan.ways, rows=chosen.rows or plan.rows)
    report = drain.Report()
    asyncio.run(drain.run(plan, Progress(), report))
    print(report.table())
    slow = [one.way for one in report.figures if one.broken and not chosen.quick]
    if slow:
        print(f"BELOW THE FLOOR: {drain.FLOOR:.0f} times the target, over {' and '.join(slow)}")
    return 1 if slow else 0


def _away(chosen: argparse.Namespace) -> int:
    wish = fleet_outage.Wish(sessions=chosen.sessions, away_s=chosen.away, folder=chosen.folder)
    found = asyncio.run(fleet_outage.run(wish, Progress()))
    print("\n".join([found.line, *(["BROKEN:", *found.broken] if found.broken else [])]))
    return 1 if found.broken else 0


def _faults(_chosen: argparse.Namespace) -> int:
    print(asyncio.run(faults.run(Progress())))
    return 0


def _told(report: flow.Report, failure: str) -> int:
    print(report.table())
    if failure:
        print(failure)
    return 1 if failure else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_sessions(
        commands.add_parser("sessions", help="memory, start, pairing, idle CPU", description=sessions.__doc__)
    )
    _add_soak(commands.add_parser("soak", help="kills under load", description=soak.__doc__))
    for name, run, module, says in (
        ("inbound", _inbound, inbound, "from a phone to a row"),
        ("outbound", _outbound, outbound, "from a request to WhatsApp"),
        ("backlog", _backlog, backlog, "the record while a webhook is dead"),
    ):
        _add_flow(commands.add_parser(name, help=says, description=module.__doc__), run)
    drained = commands.add_parser("drain", help="a queue once the database is back", description=drain.__doc__)
    _add_flow(drained, _drain)
    drained.add_argument("--rows", type=_number, help="how many are queued (100,000)")
    drained.add_argument("--over", type=Way, action="append", metavar="WAY", help="postgres or rest (both)")
    _add_away(commands.add_parser("away", help="WhatsApp away for all at once", description=fleet_outage.__doc__))
    timed = commands.add_parser("faults", help="how soon each fault is noticed, and healed", description=faults.__doc__)
    timed.set_defaults(run=_faults, log="CRITICAL")
    return parser


def _add_flow(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    parser.set_defaults(run=run, log="ERROR")
    parser.add_argument("--quick", action="store_true", help="a few texts: whether it runs, not how fast")
    parser.epilog = "Exit status 1: slower than what counts as broken."
    _add_folder(parser)


def _add_away(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_away, log="CRITICAL")
    wish = fleet_outage.Wish()
    parser.add_argument("--sessions", type=_number, default=wish.sessions, help="how many (%(default)s)")
    parser.add_argument("--away", type=float, default=wish.away_s, help="for how many seconds (%(default)s)")
    parser.epilog = "Exit status 1: a storm of connections, or not everybody back in time."
    _add_folder(parser)


def _add_sessions(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_sessions, log="ERROR")
    parser.add_argument("--counts", type=_numbers, help="how many sessions, one after another (10,50,100,200)")
    parser.add_argument("--per-worker", type=_numbers, help="how many of them share a worker (25,50,100)")
    parser.add_argument(
        "--quick", action="store_true", help="two sessions and short waits: whether it runs, not what it costs"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there as well")
    _add_folder(parser)


def _add_soak(parser: argparse.ArgumentParser) -> None:
    wish = soak.Wish()
    parser.set_defaults(run=_soak, log="CRITICAL")  # that a killed worker ended is no news here
    parser.add_argument(
        "--whole", action="store_true", help="the whole service: its hub, a worker or its PostgreSQL is killed"
    )
    parser.add_argument(
        "--outage", action="store_true", help="the database: away, hung, slow, refusing; every fault once in each run"
    )
    parser.add_argument(
        "--over", type=Way, action="append", metavar="WAY", help="with --outage: postgres or rest (in turn)"
    )
    parser.add_argument("--kills", type=_number, default=wish.kills, help="how many kills, or runs (%(default)s)")
    parser.add_argument("--sessions", type=_number, default=wish.sessions, help="how many sessions (%(default)s)")
    parser.add_argument(
        "--per-worker", type=_number, default=wish.per_worker, help="how many share a worker (%(default)s)"
    )
    parser.add_argument(
        "--rate", type=float, default=wish.rate, help="texts a second into all of them together (%(default)s)"
    )
    parser.add_argument("--seed", type=int, help="of an earlier run (random)")
    parser.add_argument(
        "--back-within",
        type=float,
        default=wish.back_s,
        metavar="S",
        help="how soon all are connected again (%(default)s)",
    )
    parser.epilog = _EXIT_STATUS
    _add_folder(parser)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to make the temporary folder (the system's)")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_number(word) for word in text.split(","))


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
