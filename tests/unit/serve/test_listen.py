"""A server in a process of its own: slow clients, clients that go, signals, a port in use."""

import asyncio
import json
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from serving import served, write_gguf
from uvicorn import Config, Server

from endonym.errors import RecipeError
from endonym.serve import listen


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("xllamacpp")
    return write_gguf(tmp_path_factory.mktemp("gguf"), context=4096)


@pytest.fixture(scope="module")
def address(gguf: Path) -> Generator[str]:
    with served(gguf) as (url, _):
        yield url


def peer(url: str) -> tuple[str, int]:
    """Host and port of an address."""
    found = httpx.URL(url)
    return found.host, found.port or 80


def test_llama_cpp_answers_over_http(address: str, gguf: Path) -> None:
    (model,) = httpx.get(f"{address}/v1/models").json()["data"]
    assert (model["id"], model["engine"]) == (gguf.stem, "llama.cpp")
    body = {"model": gguf.stem, "prompt": "Таң", "max_tokens": 8, "stream": True}
    body["temperature"] = 0  # drawn, the first token may be the one that ends a text
    with httpx.stream("POST", f"{address}/v1/completions", json=body) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert len(lines) > 3


@pytest.mark.slow
def test_a_body_of_a_gigabyte_is_refused_and_memory_stays(address: str) -> None:
    host, port = peer(address)
    with socket.create_connection((host, port), timeout=20) as client:
        head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}:{port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {1 << 30}\r\n"
        client.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert b" 413 " in client.recv(1000).split(b"\r\n")[0]
    with socket.create_connection((host, port), timeout=20) as client:
        client.sendall(f"{head}\r\n".encode())
        threading.Thread(target=_pour, args=(client,), daemon=True).start()
        assert b" 413 " in client.recv(1000).split(b"\r\n")[0]


def _pour(client: socket.socket) -> None:
    """Send as much as the other side takes, for a second or so."""
    end = time.monotonic() + 6
    with suppress(OSError):
        while time.monotonic() < end:
            client.sendall(b" " * 1_000_000)


@pytest.mark.parametrize("sent", [b"", b"GET / HT"])
def test_a_head_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, sent: bytes):
    monkeypatch.setattr(listen, "HEADER_SECONDS", 0.3)
    with _in_thread() as (port, _):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(sent)
            started = time.monotonic()
            assert client.recv(100) == b""
            assert time.monotonic() - started < 300
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "ok"


def test_the_parts_of_an_answer_do_not_wait_for_each_other() -> None:
    with _in_thread() as (port, connections), socket.socket() as client:
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(100)
        (one,) = connections
        theirs = one.transport.get_extra_info("socket")
        assert theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "WRITE_SECONDS", 0.3)
    size = 1 << 26
    with _in_thread(b" " * size) as (port, connections):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            _wait_for_a_drop(connections)
            with suppress(ConnectionResetError):
                assert len(_rest(client)) < size
        # This one reads; on a busy machine it may rest longer than that.
        monkeypatch.setattr(listen, "WRITE_SECONDS", 30.0)
        assert len(httpx.get(f"http://127.0.0.1:{port}/").content) == size


def test_a_small_tail_that_is_not_read_is_dropped_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the server has closed the connection: it would wait for the tail for ever."""
    monkeypatch.setattr(listen, "WRITE_SECONDS", 0.3)
    text = ("Әбием мич янында утыра. " * 1100).encode()
    for closing in (b"", b"Connection: close\r\n"):
        with _in_thread(text) as (port, connections), socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + closing + b"\r\n")
            _wait_for_a_drop(connections)
            with suppress(ConnectionResetError):
                assert len(_rest(client)) < len(text)


def _wait_for_a_drop(connections: set[Any]) -> None:
    """Until a server has had a connection, and has it no more."""
    _wait_until(lambda: bool(connections))
    _wait_until(lambda: not connections)


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_reads_late_but_all_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "WRITE_SECONDS", 1.0)
    size = 1 << 24
    with _in_thread(b" " * size) as (port, _), socket.socket() as client:
        client.connect(("127.0.0.1", port))
        for seconds in (1.2, 0.0):
            client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            time.sleep(0.1)
            count = 0
            while count < size:
                part = client.recv(1 << 20)
                assert part
                count += len(part)
            time.sleep(seconds)


@contextmanager
def _in_thread(body: bytes = b"ok") -> Generator[tuple[int, set[Any]]]:
    """A tiny application behind PatientProtocol, in a thread; its port and its connections."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

    config = Config(app, http=listen.PatientProtocol, ws="none", log_level="critical")
    server = Server(config)
    with listen.listening_socket("127.0.0.1", 0) as found:
        if len(body) < 1 << 16:  # so small that the system would take all of it
            found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [found]})
        thread.start()
        try:
            yield found.getsockname()[1], server.server_state.connections
        finally:
            server.should_exit = True
            thread.join(10)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_away_frees_its_place(address: str, gguf: Path, *, stream: bool) -> None:
    def figure(name: str) -> float:
        lines = httpx.get(f"{address}/metrics").text.splitlines()
        (found,) = [line for line in lines if line.startswith(f"endonym_{name}{{")]
        return float(found.split()[-1])

    body = {"model": gguf.stem, "max_tokens": 4000, "min_tokens": 4000, "n": 60, "stream": stream}
    before = figure("cancelled_total")
    with socket.create_connection(peer(address)) as client:
        client.sendall(_asked(address, body))
        _wait_until(lambda: figure("active_sequences") > 0)
    _wait_until(lambda: figure("cancelled_total") >= before + 60)
    assert figure("active_sequences") == 0


@pytest.mark.slow
def _children_seconds() -> float:
    """Seconds of a core that ended processes have taken."""
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def test_a_signal_ends_a_server_with_open_streams_at_once(gguf: Path) -> None:
    body = {"model": gguf.stem, "max_tokens": 4000, "min_tokens": 4000, "stream": True}
    with served(gguf) as (url, process), ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(peer(url), 20)) for _ in range(32)]
        for client in clients:
            client.sendall(_asked(url, body))
        assert all(client.recv(10) for client in clients)
        others, before = _children_seconds(), sum(psutil.Process(process.pid).cpu_times()[:2])
        process.send_signal(signal.SIGINT)
        ends = [_rest(client)[-200:] for client in clients]
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0
        assert _children_seconds() - others - before < 8  # of a core, however busy the machine is
        assert "Traceback" not in said
        assert all(b"server_ending" in end for end in ends)


def test_a_signal_under_load_ends_a_server_with_exit_code_0(gguf: Path) -> None:
    """Requests that come at the end find the model still there."""
    asked = {"model": gguf.stem, "prompt": "Әбием мич янында", "max_tokens": 3}

    def ask(url: str) -> None:
        with httpx.Client(timeout=5) as client, suppress(httpx.HTTPError):
            while True:
                client.post(f"{url}/v1/completions", json=asked)

    with served(gguf) as (url, process):
        threads = [threading.Thread(target=ask, args=(url,)) for _ in range(4)]
        for each in threads:
            each.start()
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        for each in threads:
            each.join(10)


def test_a_request_that_does_not_end_keeps_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "SHUTDOWN_SECONDS", 0.2)
    answered: list[None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            signal.raise_signal(signal.SIGTERM)
            answered.append(await asyncio.sleep(9))

    with listen.listening_socket("127.0.0.1", 0) as found, socket.socket() as client:
        client.connect(found.getsockname())
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        listen.listen(app, [found], ending=lambda: None, ready=lambda: None)
    assert not answered


def _asked(url: str, body: Any) -> bytes:
    """A request for completions."""
    asked, (host, port) = json.dumps(body).encode(), peer(url)
    head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}:{port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(asked)}\r\n\r\n"
    return head.encode() + asked


def _rest(client: socket.socket) -> bytes:
    """What comes until the other side closes."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_port_in_use_is_told(command: Callable[..., Any], gguf: Path) -> None:
    with listen.listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        said = command("serve", gguf, "--port", port, "--json")
    assert said.code == 2
    error = said.json()["error"]
    assert f"port {port} is in use" in error["message"]
    assert error["where"] == "--port"


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 here")
def test_an_address_of_ipv6_can_be_listened_on() -> None:
    with listen.listening_socket("::1", 0) as found:
        assert found.family == socket.AF_INET6


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(RecipeError, match="cannot listen on"):
        listen.listening_socket("203.0.113.7", 8000)
