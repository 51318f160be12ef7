"""What was ordered to go wrong, and for how long. Holds the orders; others ask and obey.

A fault with `for_s` ends by the clock, one with `count` after that many uses; with neither it lasts until cleared
(a fault that is used up, such as `corrupt`, counts 1 when nothing is said).
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lab.jid import Jid

QR_REFS: Final = 6  # as many as WhatsApp hands out


@dataclass(slots=True)
class Order:
    """How long a fault lasts. `left` None: no count; `until` None: no end."""

    left: int | None = None
    until: float | None = None

    def live(self, now: float) -> bool:
        return self.left != 0 and (self.until is None or now < self.until)

    def use(self, now: float) -> bool:
        """Whether the fault holds now; uses it up by one."""
        if not self.live(now):
            return False
        if self.left is not None:
            self.left -= 1
        return True


@dataclass(slots=True)
class AckFault(Order):
    """The answer to a device's next sends: an error number instead, later, or never. `deliver`: is the message routed?"""

    error: str = ""
    delay_s: float = 0.0
    drop: bool = False
    deliver: bool = True


@dataclass(slots=True)
class LoginFault(Order):
    """Every login is answered with `<failure reason=..>`."""

    reason: str = "503"
    code: str = ""
    expire: str = ""


@dataclass(slots=True)
class DeviceFaults:
    """What was ordered for one device."""

    mute: Order = field(default_factory=lambda: Order(left=0))
    corrupt: Order = field(default_factory=lambda: Order(left=0))
    keys: Order = field(default_factory=lambda: Order(left=0))
    ack: AckFault = field(default_factory=lambda: AckFault(left=0))


class Faults:
    """All orders. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._devices: defaultdict[Jid, DeviceFaults] = defaultdict(DeviceFaults)
        self._refuse = Order(left=0)
        self._login = LoginFault(left=0)
        self.qr_refs = QR_REFS

    def order(self, count: int | None, for_s: float | None) -> Order:
        """An order that begins now."""
        return Order(count, None if for_s is None else self._clock() + for_s)

    def refuse(self, order: Order) -> None:
        self._refuse = order

    def fail_logins(self, order: LoginFault) -> None:
        self._login = order

    def clear(self) -> None:
        """Nothing goes wrong any more on the way in; orders for single devices stay."""
        self._refuse, self._login = Order(left=0), LoginFault(left=0)

    def of(self, device: Jid) -> DeviceFaults:
        return self._devices[device]

    def clear_device(self, device: Jid) -> None:
        self._devices.pop(device, None)

    def refusing(self) -> bool:
        """Whether the proxy turns the next connection away."""
        return self._refuse.use(self._clock())

    def failing_login(self) -> LoginFault | None:
        return self._login if self._login.use(self._clock()) else None

    def muting(self, device: Jid) -> bool:
        return device in self._devices and self._devices[device].mute.use(self._clock())

    def corrupting(self, device: Jid) -> bool:
        return device in self._devices and self._devices[device].corrupt.use(self._clock())

    def withholding_keys(self, device: Jid) -> bool:
        return device in self._devices and self._devices[device].keys.use(self._clock())

    def acking(self, device: Jid) -> AckFault | None:
        """What to do instead of the plain answer to this device's send."""
        if device not in self._devices:
            return None
        fault = self._devices[device].ack
        return fault if fault.use(self._clock()) else None
