"""Run the sandbox: ``python -m stripe_sandbox --port 12111 --state sandbox.sqlite3``."""

from __future__ import annotations

import argparse
import logging
import signal
import sqlite3
import sys

from . import SERVER_NAME
from .server import SandboxServer


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="stripe_sandbox", description="A simulated Stripe on this machine.")
    parser.add_argument("--port", type=int, default=12111, help="0 picks a free port")
    parser.add_argument("--state", default=None, help="SQLite file that keeps the state; memory when left out")
    parser.add_argument("--host", default="127.0.0.1", help="only this machine is accepted")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING, stream=sys.stderr)
    try:
        server = SandboxServer(options.port, options.state, options.host).start()
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.stderr.write(f"{SERVER_NAME}: {error}\n")
        return 1
    sys.stdout.write(f"{SERVER_NAME} on {server.url}\n")
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.join()
    except KeyboardInterrupt:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
