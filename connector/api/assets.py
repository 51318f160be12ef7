"""The pages for people and what they load: the plain files of `web/`, read once when the service starts.

A page is `web/<name>/index.html`. Everything else under `web/` is a file that pages load, at `/assets/<version>/<path in web>`:
the version is that of all files together, so relative addresses between them (`import "../common/language.js"`) hold, and a
browser may keep each for ever. In a page `{{assets}}` stands for `/assets/<version>`, and `{{language}}` for `pt-BR` or `en`.

    pages = Assets.read()
    pages.page("pair", request)                 # in the caller's language; never cached
    pages.page("pair", request, status=410)

The security policy lets nothing in but files of this service: no inline script, no `style="..."` in markup, no other host, and
no text that a script makes into markup.
No path that a caller sends ever touches the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

from aiohttp import hdrs, web

PREFIX = "/assets/"
Language = Literal["pt-BR", "en"]
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HERE = Path(__file__).parent
_FOLDERS = (_HERE / "web", _HERE.parents[1] / "web")
"""Where the files are: packed into the installed service, or in the project's own folder."""
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}
_PAGE = "index.html"
_FOR_EVER = "public, max-age=31536000, immutable"


class Pages(Protocol):
    """Addresses for people with a browser."""

    def add_to(self, app: web.Application) -> None:
        """Take the addresses."""
        ...

    def opens(self, path: str) -> bool:
        """Answer whether *path* is opened without the API key."""
        ...


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is sent."""

    body: bytes
    media: str
    tag: str


class Assets:
    """The *files* that pages load, by their path in `web/`, and the texts of the *pages*, by their name."""

    def __init__(self, files: Mapping[str, File], pages: Mapping[str, str]) -> None:
        everything = "".join([*(f"{name} {files[name].tag}" for name in sorted(files)), *sorted(pages.values())])
        self.base = PREFIX + _digest(everything.encode())
        self._files = {f"{self.base}/{name}": file for name, file in files.items()}
        self._pages = {name: text.replace("{{assets}}", self.base) for name, text in pages.items()}

    @classmethod
    def read(cls, folder: Path | None = None) -> Assets:
        """Read everything in *folder*, or where the service has its own."""
        folder = folder or next(each for each in _FOLDERS if each.is_dir())
        found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        return cls(
            {name: _file(path) for name, path in found.items() if path.suffix in _TYPES},
            {path.parent.name: path.read_text("utf-8") for path in found.values() if path.name == _PAGE},
        )

    def add_to(self, app: web.Application) -> None:
        """Take the addresses of the files."""
        app.router.add_get(PREFIX + "{path:.+}", self.file)

    def opens(self, path: str) -> bool:
        """Files are the same for everybody who has this version: no secret."""
        return path.startswith(PREFIX)

    async def file(self, request: web.Request) -> web.Response:
        """Answer one of the files that were read, and no other."""
        found = self._files.get(request.path)
        if found is None:
            raise web.HTTPNotFound
        headers = {hdrs.CACHE_CONTROL: _FOR_EVER, hdrs.ETAG: f'"{found.tag}"', "Content-Security-Policy": POLICY}
        known = request.if_none_match or ()
        if any(each.value in (found.tag, "*") for each in known):
            return web.Response(status=304, headers=headers)
        charset = None if found.media == "image/png" else "utf-8"
        return web.Response(body=found.body, content_type=found.media, charset=charset, headers=headers)

    def page(self, name: str, request: web.Request, *, status: int = 200) -> web.Response:
        """Answer the page *name* in the language that *request* asks for, with *status*."""
        wanted = language(request)
        headers = {
            "Content-Security-Policy": POLICY,
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.CONTENT_LANGUAGE: wanted,
            hdrs.VARY: hdrs.ACCEPT_LANGUAGE,
        }
        text = self._pages[name].replace("{{language}}", wanted)
        return web.Response(text=text, status=status, content_type="text/html", headers=headers)


def language(request: web.Request) -> Language:
    """Answer which of our two languages the browser asks for first; English where it asks for neither."""
    wanted: list[tuple[float, str]] = []
    for part in request.headers.get(hdrs.ACCEPT_LANGUAGE, "").split(",")[:20]:
        tag, _, weight = part.strip().lower().partition(";q=")
        wanted.append((_weight(weight), tag.partition("-")[0]))
    known = [(weight, tag) for weight, tag in wanted if tag in ("pt", "en") and weight > 0]
    first = max(known, key=lambda each: each[0], default=(0.0, "en"))
    return "pt-BR" if first[1] == "pt" else "en"


def _weight(text: str) -> float:
    try:
        return float(text) if text else 1.0
    except ValueError:
        return 0.0


def _file(path: Path) -> File:
    body = path.read_bytes()
    return File(body, _TYPES[path.suffix], _digest(body))


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()[:16]
