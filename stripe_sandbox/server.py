"""The HTTP server: loopback only, one packet per answer, and able to break off mid-sentence."""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from . import SERVER_NAME, outcomes
from .api import Answer, Api, Request, unknown_url
from .clock import Clock
from .control import Control
from .errors import ApiError, invalid
from .faults import Faults
from .index import page
from .store import Store
from .webhooks import Dispatcher

log = logging.getLogger("stripe_sandbox")

_LOOPBACK = ("127.0.0.1", "localhost")
_OUTCOMES_EVERY_SECONDS = 0.25
_PAGES = ("/receipts/", "/authenticate/", "/requests/")


class SandboxServer:
    """A running sandbox.

    Args:
        port: 0 picks a free one.
        state: SQLite file that keeps the state, or None for memory.
        host: Must be this machine.

    Attributes:
        url: Where it listens, without a trailing slash.
        store: All state.
        clock: The sandbox's time.
        faults: The ordered faults.
        dispatcher: Sends webhooks.
    """

    def __init__(self, port: int = 0, state: str | Path | None = None, host: str = "127.0.0.1") -> None:
        if host not in _LOOPBACK:
            raise ValueError(f"The stripe-sandbox listens on this machine only, not on {host}.")
        self._http = _HttpServer(("127.0.0.1", port), _Handler)
        self._http.sandbox = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self.store = Store(state)
        self.clock = Clock(self.store)
        self.faults = Faults(self.store)
        self.dispatcher = Dispatcher(self.store, self.clock, self.url)
        self.stopping = threading.Event()
        self.api = Api(self.store, self.clock, self.faults, self.url, self.stopping.wait)
        self.control = Control(self.store, self.clock, self.faults, self.dispatcher, self.url, self.api.serving)
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.1,), name="sandbox-http", daemon=True),
            threading.Thread(target=self._repeat, args=(self._run_outcomes,), name="sandbox-outcomes", daemon=True),
            threading.Thread(target=self._repeat, args=(self._send_webhooks,), name="sandbox-webhooks", daemon=True),
        ]

    def start(self) -> SandboxServer:
        """Start serving in background threads."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Stop serving, break open connections, close the state."""
        self.stopping.set()
        self.dispatcher.wake()
        self._http.shutdown()
        self._http.server_close()
        self._http.break_connections()
        for thread in self._threads:
            thread.join(timeout=15)
        self.store.close()

    def join(self) -> None:
        """Wait until the server stops."""
        self._threads[0].join()

    def _repeat(self, step: Callable[[], None]) -> None:
        while not self.stopping.is_set():
            try:
                step()
            except Exception:
                if not self.stopping.is_set():
                    log.exception("a background step failed")

    def _run_outcomes(self) -> None:
        self.stopping.wait(_OUTCOMES_EVERY_SECONDS)
        if not self.stopping.is_set() and outcomes.run_due(self.store, self.clock, self.url):
            self.dispatcher.wake()

    def _send_webhooks(self) -> None:
        self.dispatcher.wait()
        self.dispatcher.deliver_due()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    sandbox: SandboxServer

    def __init__(self, *args: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        """End connections that clients keep open."""
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection of %s ended", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without these two, header and body are two packets, and Nagle with delayed ACK costs 44 ms per call.
    disable_nagle_algorithm = True
    wbufsize = -1

    def version_string(self) -> str:
        return SERVER_NAME

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    @property
    def _sandbox(self) -> SandboxServer:
        return cast(_HttpServer, self.server).sandbox

    def _serve(self) -> None:
        try:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = self._route(body)
        except Exception:
            log.exception("%s %s failed", self.command, self.path)
            message = {"error": {"type": "api_error", "message": "A defect of the stripe-sandbox; see its log."}}
            answer = Answer(500, json.dumps(message).encode())
        self._send(answer)

    def _route(self, body: bytes) -> Answer:
        path, _, query = self.path.partition("?")
        headers = cast("dict[str, str]", self.headers)
        if path.startswith("/_sandbox/"):
            return self._control(path.removeprefix("/_sandbox/").strip("/"), query, body)
        if path.startswith("/v1/"):
            raw = query if self.command == "GET" else body.decode(errors="replace")
            answer = self._sandbox.api.handle(Request(self.command, path, raw, headers))
            if self.command != "GET":
                self._sandbox.dispatcher.wake()
            return answer
        if self.command == "GET" and (path == "/" or path.startswith(_PAGES)):
            return Answer(200, page(self._sandbox.url).encode(), content_type="text/html; charset=utf-8")
        error = unknown_url(Request(self.command, path, query, headers))
        return Answer(404, json.dumps(error.body()).encode())

    def _control(self, path: str, query: str, body: bytes) -> Answer:
        try:
            if self.headers.get("Origin"):
                raise ApiError(403, "The control API does not answer to web pages.")
            given = json.loads(body) if body else {}
            if not isinstance(given, dict):
                raise invalid("The body must be a JSON object.")
            return _json(self._sandbox.control.handle(self.command, path, given, query))
        except ApiError as error:
            return Answer(error.status, json.dumps(error.body()).encode())
        except (ValueError, KeyError, TypeError) as error:
            return Answer(400, json.dumps(invalid(f"Not understood: {error!r}").body()).encode())

    def _send(self, answer: Answer) -> None:
        name = answer.fault["fault"] if answer.fault else ""
        seconds = float(answer.fault["seconds"]) if answer.fault else 0
        if name.startswith("reset"):
            self._reset()
        elif name.startswith("close"):
            self.close_connection = True
        elif name.startswith("timeout"):
            self._sandbox.stopping.wait(seconds)
            self.close_connection = True
        elif name == "half_body_after_commit":
            self._write(answer, answer.body[: len(answer.body) // 2])
            self.close_connection = True
        elif name == "stalled_body_after_commit":
            self._write(answer, answer.body[: len(answer.body) // 2])
            self._sandbox.stopping.wait(seconds)
            self.close_connection = True
        elif name == "garbage_after_commit":
            garbage = b"<!doctype html><title>simulated garbage</title>"
            self._write(Answer(200, garbage, answer.headers), garbage)
        else:
            self._write(answer, answer.body)

    def _write(self, answer: Answer, sent: bytes) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value.replace("\r", "").replace("\n", ""))
        self.end_headers()
        self.wfile.write(sent)
        self.wfile.flush()

    def _reset(self) -> None:
        """Send RST: linger zero, then close the descriptor under everyone's feet."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


def _json(body: dict[str, Any]) -> Answer:
    return Answer(200, json.dumps(body).encode())
