"""The states of a session: what each means for the person waiting, and which may follow which. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum


class Status(StrEnum):
    """The four values of `whatsapp_sessions.status`."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    ERROR = "error"


class Next(StrEnum):
    """What the person in charge does next."""

    NOTHING = "nothing"
    WAIT = "wait"  # it heals by itself
    SCAN = "scan"  # pair again with the phone
    CHOOSE = "choose"  # somebody has to decide
    STOP = "stop"  # no retry helps
    FIX_US = "fix_us"  # a fault of the service


@dataclass(frozen=True, slots=True)
class Meaning:
    """A reason's status, what to do, and its sentence in Portuguese and English.

    `{detail}` stands where the state's detail goes, if it has one: in the form of `pt_detail` and `en_detail`.
    """

    status: Status
    next: Next
    pt: str
    en: str
    pt_detail: str = " ({})"
    en_detail: str = " ({})"


class Reason(Enum):
    """The exact state of a session. Each has one status and one sentence a person understands."""

    NEVER_PAIRED = Meaning(
        Status.DISCONNECTED,
        Next.SCAN,
        "Ainda não há celular vinculado: leia o QR code.",
        "No phone is linked yet: scan the QR code.",
    )
    PAIRING_ENDED = Meaning(
        Status.DISCONNECTED,
        Next.SCAN,
        "O código expirou antes de ser lido: peça um novo.",
        "The code expired before it was scanned: ask for a new one.",
    )
    STOPPED = Meaning(
        Status.DISCONNECTED, Next.CHOOSE, "Conexão parada a pedido.", "This session was stopped on request."
    )
    LOGGED_OUT = Meaning(
        Status.DISCONNECTED,
        Next.SCAN,
        "O celular desvinculou esta conexão: leia o QR code de novo.",
        "The phone unlinked this session: scan the QR code again.",
    )
    WAITING_SCAN = Meaning(
        Status.CONNECTING,
        Next.SCAN,
        "Aguardando a leitura do código no celular.",
        "Waiting for the phone to scan the code.",
    )
    LINKING = Meaning(
        Status.CONNECTING,
        Next.WAIT,
        "Celular vinculado: preparando a conexão.",
        "The phone is linked: getting the session ready.",
    )
    STARTING = Meaning(Status.CONNECTING, Next.WAIT, "Conectando ao WhatsApp.", "Connecting to WhatsApp.")
    RECONNECTING = Meaning(
        Status.CONNECTING, Next.WAIT, "A conexão caiu: reconectando.", "The connection dropped: connecting again."
    )
    UNREACHABLE = Meaning(
        Status.CONNECTING,
        Next.WAIT,
        "O WhatsApp não responde: tentando de novo.",
        "WhatsApp cannot be reached: trying again.",
    )
    WORKER_RESTARTING = Meaning(
        Status.CONNECTING,
        Next.WAIT,
        "O motor está reiniciando: a conexão volta em segundos.",
        "The engine is restarting: back in seconds.",
    )
    CONNECTED = Meaning(Status.CONNECTED, Next.NOTHING, "Conectado.", "Connected.")
    DEAF = Meaning(
        Status.ERROR,
        Next.WAIT,
        "O WhatsApp deixou de responder nesta conexão: reconectando.",
        "WhatsApp stopped answering on this session: connecting again.",
    )
    REPLACED = Meaning(
        Status.ERROR,
        Next.CHOOSE,
        "Esta conexão foi aberta em outro lugar: encerre a outra e conecte de novo.",
        "This session was opened somewhere else: end the other one, then connect again.",
    )
    BANNED = Meaning(
        Status.ERROR,
        Next.STOP,
        "O WhatsApp bloqueou este número por um tempo{detail}.",
        "WhatsApp has banned this number for a while{detail}.",
        pt_detail=", até {}",
        en_detail=", until {}",
    )
    OUTDATED = Meaning(
        Status.ERROR,
        Next.STOP,
        "O WhatsApp não aceita mais esta versão do motor: atualize o Vigia.",
        "WhatsApp no longer accepts this version of the engine: update Vigia.",
    )
    REFUSED = Meaning(
        Status.ERROR,
        Next.WAIT,
        "O WhatsApp recusou a conexão{detail}: tentando de novo mais tarde.",
        "WhatsApp refused the connection{detail}: trying again later.",
    )
    PASSKEY_REQUIRED = Meaning(
        Status.ERROR,
        Next.STOP,
        "O WhatsApp só permite vincular esta conta com chave de acesso (passkey), o que ainda não é possível aqui.",
        "WhatsApp lets this account be linked only with a passkey, which is not possible here yet.",
    )
    DISK_FULL = Meaning(
        Status.ERROR,
        Next.CHOOSE,
        "O disco está quase cheio: libere espaço. O WhatsApp guarda as mensagens até lá.",
        "The disk is nearly full: free some space. WhatsApp keeps the messages until then.",
    )
    UNWRITABLE = Meaning(
        Status.ERROR,
        Next.CHOOSE,
        "O Vigia não consegue gravar o que chega: veja o disco. O WhatsApp guarda as mensagens até lá.",
        "Vigia cannot write down what arrives: check the disk. WhatsApp keeps the messages until then.",
    )
    LOCKED = Meaning(
        Status.ERROR,
        Next.WAIT,
        "Outro processo ainda usa esta conexão: tentando de novo.",
        "Another process still holds this session: trying again.",
    )
    CRASH_LOOP = Meaning(
        Status.ERROR,
        Next.FIX_US,
        "O motor falhou vezes demais e foi parado: veja o registro e reinicie.",
        "The engine crashed too often and was stopped: see the log, then restart it.",
    )
    ISOLATED = Meaning(
        Status.ERROR,
        Next.FIX_US,
        "O motor falha sempre que esta conexão abre: ela foi separada das outras, e é tentada de novo de vez em quando.",
        "The engine fails whenever this session is open: it was set apart from the others, and is tried again now and then.",
    )

    @property
    def code(self) -> str:
        """The stable word for programs: `logged_out`, `worker_restarting`..."""
        return self.name.lower()

    @property
    def status(self) -> Status:
        """One of the four values of `whatsapp_sessions.status`."""
        return self.value.status


@dataclass(frozen=True, slots=True)
class State:
    """Where a session is: the exact reason, a detail without user content, and since when (unix seconds)."""

    reason: Reason
    detail: str = ""
    since: float = 0.0

    def sentence(self, language: str = "pt") -> str:
        """Answer the sentence for a person, in Portuguese (`pt`) or English (anything else)."""
        meaning = self.reason.value
        portuguese = language.startswith("pt")
        detail = (meaning.pt_detail if portuguese else meaning.en_detail).format(self.detail) if self.detail else ""
        return (meaning.pt if portuguese else meaning.en).replace("{detail}", detail)


_R = Reason
UNPAIRED = frozenset({_R.NEVER_PAIRED, _R.PAIRING_ENDED, _R.LOGGED_OUT, _R.PASSKEY_REQUIRED})
"""No credentials: only a pairing leads out."""
NEVER_LINKED = frozenset({_R.NEVER_PAIRED, _R.PAIRING_ENDED})
"""No pairing is under way either, and none ever led anywhere, or not since the last link ended."""
_PAIRING = frozenset({_R.WAITING_SCAN, _R.LINKING})
_PAIRING_FAILED = frozenset({_R.PAIRING_ENDED, _R.PASSKEY_REQUIRED, _R.OUTDATED})
_TRYING = frozenset({_R.STARTING, _R.RECONNECTING, _R.UNREACHABLE, _R.WORKER_RESTARTING, _R.LOCKED})
RUNNING = _TRYING | {_R.CONNECTED, _R.DEAF}
"""The engine has it, or is about to."""
_HELD = frozenset(
    {_R.REPLACED, _R.BANNED, _R.OUTDATED, _R.REFUSED, _R.DISK_FULL, _R.UNWRITABLE, _R.CRASH_LOOP, _R.ISOLATED}
)
_VERDICTS = _HELD | {_R.LOGGED_OUT, _R.STOPPED}
"""What may strike any session that has credentials and runs."""

MOVES: dict[Reason, frozenset[Reason]] = {
    **dict.fromkeys(UNPAIRED, _PAIRING | _PAIRING_FAILED),
    _R.WAITING_SCAN: _PAIRING | _PAIRING_FAILED,
    _R.LINKING: _PAIRING_FAILED | RUNNING | _VERDICTS,
    **dict.fromkeys(RUNNING, RUNNING | _VERDICTS),
    **dict.fromkeys(_HELD, RUNNING | _VERDICTS | _PAIRING | _PAIRING_FAILED),
    _R.STOPPED: _TRYING | {_R.LOGGED_OUT},
}


class ForbiddenMove(Exception):
    """A session was told to go where its state does not lead: a fault of ours."""


Listener = Callable[[State, State], None]
"""Called with the state before and the state now, once for each change."""


class StateCell:
    """Holds a session's state. `move` is the only setter."""

    def __init__(self, first: State, clock: Callable[[], float], listener: Listener) -> None:
        self._state = first
        self._clock = clock
        self._listener = listener

    @property
    def now(self) -> State:
        """The present state."""
        return self._state

    def move(self, reason: Reason, detail: str = "") -> None:
        """Go to *reason*; the same reason and detail again is no change. Raises `ForbiddenMove`."""
        before = self._state
        if (before.reason, before.detail) == (reason, detail):
            return
        if reason is not before.reason and reason not in MOVES[before.reason]:
            raise ForbiddenMove(f"{before.reason.code} does not lead to {reason.code}")
        since = before.since if reason is before.reason else self._clock()
        self._state = State(reason, detail, since)
        self._listener(before, self._state)
