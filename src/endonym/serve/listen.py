"""The listening side: a socket, deadlines of slow connections, and an end that is clean."""

import asyncio
import errno
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import cast

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from endonym.device import signals_to
from endonym.errors import RecipeError
from endonym.serve.limits import App

HEADER_SECONDS = 10.0
"""The head of a request must come within them, from the connection or its first byte on."""
WRITE_SECONDS = 30.0
"""A client must read what waits for it within them."""
SHUTDOWN_SECONDS = 3
BACKLOG = 2048


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises RecipeError if the port is in use or the host is not ours.

    No small write waits for another, which would cost 40 ms: head and body are written apart.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        server = socket.create_server((host, port), family=family, backlog=BACKLOG)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise RecipeError(
                f"port {port} is in use on {host}", where="--port", do="Choose another: --port N."
            ) from error
        if getattr(error, "errno", None) == errno.EACCES:
            message = f"port {port} needs rights that this process has not"
            raise RecipeError(message, where="--port", do="Choose one above 1023.") from error
        raise RecipeError(f"cannot listen on {host}: {error}", where="--host") from error


class PatientProtocol(H11Protocol):
    """HTTP of which neither a slow head nor a reader that has stopped holds a connection for ever.

    Slow bodies are `serve/limits.py`'s.
    """

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head.

        Writing pauses with the first byte that the client does not take, so that no tail of an
        answer waits without a deadline, not even after the connection was closed here.
        """
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Wait for a head as long as no request is being answered."""
        super().data_received(data)
        if self._is_answering():
            self._deadline = _cancelled(self._deadline)
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._deadline = _cancelled(self._deadline)
        self._stalled = _cancelled(self._stalled)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read everything."""
        super().resume_writing()
        self._stalled = _cancelled(self._stalled)

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        if not self._is_answering():
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete


def _cancelled(handle: asyncio.TimerHandle | None) -> None:
    if handle is not None:
        handle.cancel()


class EndingServer(Server):
    """Tells the application of the first signal, so that open streams end at once.

    ready: is called when requests are answered and a signal is no longer the process's end.
    """

    def __init__(
        self, config: Config, ending: Callable[[], None], ready: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ending = ending
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Called once signals are caught."""
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT."""
        self._ending()
        super().handle_exit(sig, frame)


def listen(
    app: App, sockets: list[socket.socket], *, ending: Callable[[], None], ready: Callable[[], None]
) -> None:
    """Serve until SIGTERM or Ctrl-C.

    ending: is called with the signal, within its handler. ready: once requests are answered.
    """
    config = Config(
        app,
        http=PatientProtocol,
        ws="none",
        loop="asyncio",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        backlog=BACKLOG,
    )
    # uvicorn raises the signal again when it has ended: nothing is left to do then.
    with signals_to(lambda number, frame: None, signal.SIGTERM, signal.SIGINT):
        EndingServer(config, ending, ready).run(sockets=sockets)
