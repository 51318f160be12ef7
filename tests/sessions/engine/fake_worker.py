"""A worker program without an engine: speaks the frames, and fails the way its arguments say.

`fake_worker.py JOURNAL LIFE [LIFE...] CONTROL WAKE`: the n-th start lives the n-th LIFE, or the last. Each start adds a line to JOURNAL.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from select import select
from socket import MSG_WAITALL, socket

from sessions import frames
from sessions.model import Identity, Life, Sign

FAT = 1 << 40


class Hub:
    """The other end."""

    def __init__(self, control: int, wake: int) -> None:
        self._control = socket(fileno=control)
        self._wake = wake

    def asked(self) -> frames.AnyRequest:
        head = self._control.recv(4, MSG_WAITALL)
        if len(head) < 4:
            os._exit(0)  # the hub is gone
        return frames.read_request(self._control.recv(int.from_bytes(head, "big"), MSG_WAITALL))

    def refuse_for(self, seconds: float) -> None:
        """As long as the work of draining takes, nothing else is done."""
        while select([self._control], [], [], seconds)[0]:
            self.say(frames.Reply(id=self.asked().id, error="not_connected"))

    def say(self, frame: frames.FromWorker) -> None:
        self._control.sendall(frames.pack(frame))

    def say_garbage(self) -> None:
        self._control.sendall(b"\x00\x00\x00\x03???")

    def ring(self) -> None:
        os.write(self._wake, b"\0")


def health(rss_bytes: int = 1) -> frames.Health:
    return frames.Health(
        pid=os.getpid(), rss_bytes=rss_bytes, descriptors=1, descriptor_limit=100, threads=1, oldest_call_s=0.0,
        sessions={}, rows={}, untranslated=0,
    )  # fmt: skip


def write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def for_ever() -> None:
    while True:
        time.sleep(3600)


def before_ready(life: str) -> None:
    match life:
        case "never_ready":
            for_ever()
        case "exit_early":
            write_line("no engine for this machine")
            sys.exit(3)
        case "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
            write_line(f"child {child.pid}")
        case _:
            pass


def serve(hub: Hub, life: str) -> None:
    fat = life == "fat"
    while True:
        asked = hub.asked()
        fat = fat or (isinstance(asked, frames.Open) and asked.session == "fat")
        match asked:
            case frames.Ping() if life == "mute":
                pass
            case frames.Ping():
                hub.say(frames.Reply(id=asked.id, health=health(FAT if fat else 1)))
            case frames.Drain() if life == "stubborn":
                pass
            case frames.Drain():
                hub.refuse_for(0.2)
                write_line("drained")
                hub.say(frames.Reply(id=asked.id))
                os._exit(0)
            case frames.Open():
                opened(hub, asked)
                if life == "scanned":
                    scanned(hub, asked)
            case frames.Close() if asked.session == "stuck":
                hub.say(frames.Reply(id=asked.id, error="stuck", sentence="It does not let go."))
            case frames.Send() if asked.text == "die":
                os._exit(9)
            case frames.Send() if asked.text == "silence":
                pass
            case _:
                hub.say(frames.Reply(id=asked.id, text=getattr(asked, "session", "")))


def opened(hub: Hub, asked: frames.Open) -> None:
    match asked.session:
        case "crash":
            write_line("last words")
            os._exit(7)
        case "garbage":
            hub.say_garbage()
        case "shout":
            write_line("x" * 300_000 + "\nafter")
            os.write(1, b"\xff\xfe bytes\n")
        case "ring":
            hub.ring()
        case "low":
            hub.say(frames.LowDisk())
        case _:
            hub.say(frames.Probed(session=asked.session, answered=True))
    hub.say(frames.Reply(id=asked.id))


def scanned(hub: Hub, asked: frames.Open) -> None:
    who = Identity(jid="5511999990000:3@s.whatsapp.net", lid=None, phone="5511999990000")
    hub.say(frames.Qr(session=asked.session, code="2@first"))
    hub.say(frames.Alive(session=asked.session, life=Life(Sign.IDENTITY, identity=who)))


def main() -> None:
    journal, *lives, control, wake = sys.argv[1:]
    with Path(journal).open("a+") as file:
        file.seek(0)
        earlier = len(file.readlines())
        life = lives[min(earlier, len(lives) - 1)]
        file.write(f"{os.getpid()} {life}\n")
    hub = Hub(int(control), int(wake))
    configure = hub.asked()
    before_ready(life)
    hub.say(frames.Reply(id=configure.id, health=health()))
    serve(hub, life)


main()
