"""A lab that keeps its data: stopped and started again, under an engine that goes on running."""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest

from benchmarks.lab_engine import running_engine
from lab.client import LabClient, Place, lab_process


def _ports(place: Place) -> list[str]:
    control, proxy = urlsplit(place.control), urlsplit(place.proxy)
    return ["--control", f"{control.hostname}:{control.port}", "--proxy", str(proxy.port)]


async def test_a_running_engine_outlives_a_restart_of_the_lab(tmp_path):
    data = ["--data", str(tmp_path / "dados do laboratório")]
    with lab_process(*data) as first:
        async with running_engine(first, tmp_path) as engine:
            async with LabClient(first) as lab:
                await lab.phone("5511987659001", "Ana")
                await lab.phone("5511987659002", "Bia")
                device = await engine.pair(lab, "a", "5511987659001")
                await lab.write("5511987659002", "5511987659001", "antes")
                await engine.event("a", "Message", text="antes")
                await engine.ask("send", session="a", to="5511987659002", text="resposta")
                await lab.read("5511987659002", wait=5, count=1)
                await engine.ask("stop", session="a")
                waiting = await lab.write("5511987659002", "5511987659001", "fila", count=10)
            os.kill(first.pid, signal.SIGTERM)
            _wait_until_gone(first.control)
            with lab_process(*data, *_ports(first)) as second:
                assert (second.root_key, second.ca) == (first.root_key, first.ca)
                async with LabClient(second) as lab:
                    await _goes_on(lab, engine, device, waiting)


def _wait_until_gone(control: str) -> None:
    """The first process is reaped by its own context later; its port is free when it has ended."""
    address = (urlsplit(control).hostname, urlsplit(control).port)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(address) != 0:
                return
    raise AssertionError("the first lab did not end")


async def _goes_on(lab, engine, device, waiting):
    [kept] = (await lab.deliveries(device))["items"]
    assert (kept["queued"], kept["handed"]) == (11, 1)
    assert [item["text"] for item in await lab.read("5511987659002")] == ["resposta"]
    await engine.ask("connect", session="a")
    got = await engine.events_of("a", "Message", 11)
    assert [one["id"] for one in got][1:] == waiting
    await engine.ask("send", session="a", to="5511987659002", text="depois")
    texts = [item["text"] for item in await lab.read("5511987659002", wait=5, count=2)]
    assert texts == ["resposta", "depois"]


def test_without_data_nothing_is_left(tmp_path):
    with lab_process() as place:
        folder = place.ca.parent
        assert folder.exists()
    assert not folder.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_zero(number):
    process = subprocess.Popen([sys.executable, "-m", "lab"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as out:
        said = json.loads(out.readline())
        assert sorted(said) == ["ca", "control", "proxy", "root_key"]
        assert len(said["root_key"]) == 64
        process.send_signal(number)
        assert process.wait(10) == 0
        assert out.read() == b""


@pytest.mark.parametrize(
    "arguments", [["--control", "0.0.0.0:0"], ["--proxy", "70000"], ["--port", "x"]], ids=lambda value: value[0]
)
def test_it_listens_on_this_machine_only(arguments):
    refused = subprocess.run([sys.executable, "-m", "lab", *arguments], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "port is a number" in refused.stderr or "127.0.0.1 only" in refused.stderr


def _refused(*arguments: str) -> str:
    run = [sys.executable, "-m", "lab", *arguments]
    refused = subprocess.run(run, capture_output=True, text=True, check=False, timeout=30)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.splitlines()) == 1
    return refused.stderr


def test_two_labs_do_not_share_their_data(tmp_path):
    with lab_process("--data", str(tmp_path)):
        assert "another lab is using" in _refused("--data", str(tmp_path))


def test_a_port_that_is_taken_is_a_sentence():
    with lab_process() as place:
        assert "address already in use" in _refused("--control", urlsplit(place.control).netloc)


def test_damaged_data_is_a_sentence(tmp_path):
    (tmp_path / "lab.db").write_bytes(b"not a database at all" * 100)
    assert "not a database" in _refused("--data", str(tmp_path))


async def test_a_killed_lab_comes_back_with_its_accounts(tmp_path):
    with lab_process("--data", str(tmp_path)) as first:
        async with LabClient(first) as lab:
            await lab.phone("5511987659003", "Ana")
        _wait_until_kept(tmp_path)
        os.kill(first.pid, signal.SIGKILL)
    with lab_process("--data", str(tmp_path)) as second:
        async with LabClient(second) as lab:
            assert [one["name"] for one in (await lab.ask("GET", "/phones"))["items"]] == ["Ana"]


def _wait_until_kept(data):
    """The account is in the file: it is written behind, a tenth of a second later."""
    deadline = time.monotonic() + 5
    with contextlib.closing(sqlite3.connect(data / "lab.db")) as db:
        while time.monotonic() < deadline:
            if db.execute("SELECT count(*) FROM records WHERE kind = 'account'").fetchone() != (0,):
                return
    raise AssertionError("the account was never kept")
