"""What the image is made of, as far as it can be tried without an engine for containers: the wheel, alone, does the whole job."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from installed import ROOT, Installed, bare, ignored, install, needed
from lab_run import free_port, until

from connector.app import DRAIN_S
from lab.client import lab_process

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The service, installed from its wheel."""
    return install(tmp_path_factory.mktemp("installed"))


def get(url: str, **headers: str) -> str:
    with urlopen(Request(url, headers=headers), timeout=60) as answer:  # noqa: S310 - an address of our own
        return str(answer.read().decode())


def post(url: str, body: object, key: str) -> Any:
    headers = {"X-API-KEY": key, "Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=60) as answer:  # noqa: S310 - as above
        return json.load(answer)


@contextmanager
def serving(service: Installed, folder: Path, **settings: str) -> Generator[str]:
    """Run `vigia serve` in *folder*; answers its address."""
    url = f"http://127.0.0.1:{settings['PORT']}"
    command = [str(service.vigia), "serve"]
    with subprocess.Popen(command, cwd=folder, env=bare(**settings), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(f"Vigia is ready on {url};")
            yield url
        finally:
            process.terminate()


def test_only_the_wheel_is_there(service: Installed, tmp_path: Path) -> None:
    """What follows would prove nothing if the project's own folder were found."""
    where = service.run(service.python, "-c", "import connector, sys; print(connector.__file__)", folder=tmp_path)
    assert where.startswith(str(service.folder))
    assert service.run(service.vigia, "--version", folder=tmp_path).startswith("vigia 0.")
    missing = "import importlib.util as u; print(u.find_spec('pytest'), u.find_spec('hatchling'))"
    assert service.run(service.python, "-c", missing, folder=tmp_path).strip() == "None None"
    assert "neonize" in needed()


def test_the_migrations_are_in_it(service: Installed, tmp_path: Path) -> None:
    """As one text for Supabase's SQL editor, which reads all of them."""
    assert "create table" in service.run(service.vigia, "migrate", "--print", folder=tmp_path)


def test_it_serves_pages_keeps_a_record_and_pairs(service: Installed, tmp_path: Path) -> None:
    """The embedded database, the pages with their files, and the engine in a worker: all found where the wheel put them."""
    key = "k" * 32
    with lab_process() as place:
        settings = {
            "PORT": str(free_port()),
            "DATA_DIR": str(tmp_path / "data"),
            "API_KEY": key,
            "WHATSAPP_LAB_PROXY": place.proxy,
            "WHATSAPP_LAB_CA": str(place.ca),
            "WHATSAPP_LAB_ROOT_KEY": place.root_key,
        }
        with serving(service, tmp_path, **settings) as url:
            page = get(url + "/", Accept="text/html")
            files = re.findall(r'(?:href|src)="(/assets/[^"]+)"', page)
            assert files
            assert all(get(url + file) for file in files)
            assert "openapi" in get(url + "/openapi.json")
            until(lambda: json.loads(get(url + "/health/ready"))["status"] == "ok")
            api = url + "/api/whatsapp-integration/connections"
            post(api, {"connectionId": "loja", "name": "Loja", "ownerId": "eu"}, key)
            assert json.loads(get(f"{api}/loja/qr?wait=60", **{"X-API-KEY": key}))["attempt"] == 1


def test_the_notice_names_all_that_an_image_holds() -> None:
    """Each distribution that the service needs, by its name."""
    words = set(re.findall(r"[a-z0-9][a-z0-9-]*", (ROOT / "NOTICE").read_text("utf-8")))
    assert needed() - words == set()


def test_the_image_is_made_from_what_is_there() -> None:
    """Every file that is copied exists and reaches the build; what is run in it names no compiler."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    assert [source for source in sources if not (ROOT / source).exists() or ignored(source)] == []
    for needed_there in (
        "web/common/style.css",
        "supabase/migrations",
        "README.md",
        "connector/store/shim.sql",
        "LICENSE",
    ):
        assert not ignored(needed_there), needed_there
    for secret in (".env", ".env.supabase", "data", ".git"):
        assert ignored(secret), secret
    assert not re.search(r"gcc|build-essential|\bmake\b", DOCKERFILE)


def test_the_image_runs_as_it_is_said_to() -> None:
    """An ordinary user, one folder, an orderly end, a health check."""
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"apt-get install -y --no-install-recommends tini libmagic1", last)
    assert re.search(r"useradd --uid (\d{4,})", last)
    assert re.search(r"^USER vigia$", last, re.MULTILINE)
    assert re.search(r"^VOLUME /data$", last, re.MULTILINE)
    assert "HOST=0.0.0.0 DATA_DIR=/data" in last
    assert 'ENTRYPOINT ["tini", "--", "vigia"]' in last
    assert "/health/live" in last


def test_compose_gives_the_service_its_time_and_its_folder() -> None:
    """The database is optional; what the service keeps outlives it."""
    said = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    vigia = said["services"]["vigia"]
    assert int(vigia["stop_grace_period"].removesuffix("s")) > DRAIN_S * 2
    assert vigia["volumes"] == ["vigia:/data"]
    assert vigia["ports"] == ["127.0.0.1:3001:3001"], "nobody else is let in by mistake"
    assert vigia["read_only"] is True
    assert [name for name, one in said["services"].items() if "profiles" not in one] == ["vigia"]
    assert set(said["volumes"]) == {"vigia", "postgres"}
