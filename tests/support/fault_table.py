"""Every fault that can be caused in the lab: what a session says of it, what is done about it, and how soon it is back.

docs/sessions.md shows the same table to operators; tests hold both to what happens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sessions.state import Next, Reason


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` and `more`: the order to the lab, for one device or (with *login*) for everybody who logs in, whom the device then meets.

    `reasons`: the first that the session goes to is one of them. `does`: in the docs' words. `noticed_s`, `back_s`: at most; no
    `back_s` where somebody has to do something, or only time helps. `held_by`: the test, where it is one of its own.
    """

    name: str
    reasons: tuple[Reason, ...]
    does: str
    kind: str = ""
    more: Mapping[str, object] = field(default_factory=dict[str, object])
    login: bool = False
    noticed_s: float = 30.0
    back_s: float | None = 30.0
    held_by: str = ""

    @property
    def next(self) -> Next:
        """What the person in charge does."""
        return self.reasons[0].value.next

    @property
    def row(self) -> str:
        """Its line in the docs, up to the figures that were measured."""
        reasons = ", ".join(f"`{reason.code}`" for reason in self.reasons)
        back = f"{self.back_s:.0f} s" if self.back_s else "-"
        return f"| {self.name} | {reasons} | {self.next} | {self.does} | {self.noticed_s:.0f} s | {back} |"


_R = Reason
_ENGINE = "the engine dials again at once; after 20 s the session is opened anew"
_ANEW = "the session is opened anew at once, then after growing waits"
_PROBED = "a silent session is asked a question; unanswered for 8 s, it is opened anew"
_SCAN = "credentials are forgotten; it waits for a scan"
_SPECIAL = "tests/service/test_faults.py"

FAULTS = (
    Fault("connection reset", (_R.RECONNECTING,), _ENGINE, "drop"),
    Fault("connection closed", (_R.RECONNECTING,), _ENGINE, "close"),
    Fault("stream error 503", (_R.RECONNECTING,), _ENGINE, "stream_error", {"code": "503"}),
    Fault("stream error with an unknown code", (_R.DEAF,), _ANEW, "stream_error", {"code": "599"}),
    Fault("receipt of an unknown type", (_R.DEAF,), _ANEW, "receipt", {"type": "made-up"}),
    Fault("server reads and never answers", (_R.DEAF,), _PROBED, "stall", noticed_s=35),
    Fault("half-open connection", (_R.DEAF,), _PROBED, "blackhole", noticed_s=35),
    Fault(
        "login never answered",
        (_R.RECONNECTING,),
        "the session is opened anew after 20 s",
        "mute",
        {"count": 1},
        back_s=60,
    ),
    Fault(
        "opened somewhere else",
        (_R.REPLACED,),
        "tried again after 30 s, 1, 2 and 4 minutes, then not before somebody connects it",
        "replaced",
        back_s=None,
    ),
    Fault("unlinked on the phone", (_R.LOGGED_OUT,), _SCAN, "removed", back_s=None),
    Fault("login refused with 401", (_R.LOGGED_OUT,), _SCAN, "login", {"reason": "401"}, login=True, back_s=None),
    Fault("login refused with 403", (_R.LOGGED_OUT,), _SCAN, "login", {"reason": "403"}, login=True, back_s=None),
    Fault("login refused with 406", (_R.LOGGED_OUT,), _SCAN, "login", {"reason": "406"}, login=True, back_s=None),
    Fault(
        "login refused with 402, a ban with its end",
        (_R.BANNED,),
        "says until when; tried again then, also after a restart of the service",
        "login",
        {"reason": "402", "code": "101", "expire": 3600},
        login=True,
        back_s=None,
    ),
    Fault(
        "login refused with 402, a ban unknown to the engine",
        (_R.DEAF,),
        _ANEW,
        "login",
        {"reason": "402"},
        login=True,
        back_s=60,
    ),
    Fault(
        "login refused with 405",
        (_R.OUTDATED,),
        "nothing is tried: this version of the engine is not accepted any more",
        "login",
        {"reason": "405"},
        login=True,
        back_s=None,
    ),
    Fault(
        "login refused with 409",
        (_R.REFUSED,),
        "tried again after 5 s, then after growing waits",
        "login",
        {"reason": "409"},
        login=True,
        back_s=60,
    ),
    Fault("login refused with 418", (_R.DEAF,), _ANEW, "login", {"reason": "418"}, login=True, back_s=60),
    Fault(
        "login refused with 500",
        (_R.RECONNECTING,),
        _ENGINE,
        "login",
        {"reason": "500", "count": 2},
        login=True,
        back_s=60,
    ),
    Fault(
        "login refused with 503",
        (_R.RECONNECTING,),
        _ENGINE,
        "login",
        {"reason": "503", "count": 2},
        login=True,
        back_s=60,
    ),
    Fault(
        "connections refused",
        (_R.RECONNECTING, _R.UNREACHABLE),
        "the engine rests; one look for all sessions every 2 s at most, then they take turns",
        "refuse",
        login=True,
        back_s=60,
    ),
    Fault(
        "connections refused when the service starts",
        (_R.UNREACHABLE,),
        "the same",
        back_s=60,
        held_by=f"{_SPECIAL}::test_a_start_without_whatsapp_is_unreachable_until_it_is_back",
    ),
    Fault(
        "code not scanned in time",
        (_R.PAIRING_ENDED,),
        "the pairing's worker ends; a new code is made when one is asked for",
        noticed_s=60,
        back_s=None,
        held_by=f"{_SPECIAL}::test_a_code_that_nobody_scans_ends_the_pairing",
    ),
    Fault(
        "worker killed",
        (_R.WORKER_RESTARTING,),
        "another worker starts after 0.1 s, then after growing waits",
        held_by=f"{_SPECIAL}::test_a_killed_worker_is_replaced_and_its_session_back",
    ),
    Fault(
        "one session that ends every worker it is open in",
        (_R.ISOLATED,),
        "after four crashes the worker's sessions are halved until it is found; the others are back, "
        "it is tried again alone, after a minute, then more rarely",
        noticed_s=120,
        back_s=None,
        held_by="tests/service/test_poison.py::test_a_poisonous_session_is_found_alone_and_the_others_stay",
    ),
    Fault(
        "disk nearly full",
        (_R.DISK_FULL,),
        "sessions disconnect while what they hold can be written; back when space is",
        back_s=60,
        held_by="tests/service/test_crashes.py::test_a_nearly_full_disk_disconnects_and_loses_nothing",
    ),
)
