"""Processes made from this one without starting Python again, so that killing them costs little."""

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

from django.db import connections

from registration import stripe_gateway
from tools.torture import killing


class Fork:
    """A process of ours that runs one function."""

    def __init__(self, work: Callable[[], object], kill_at: str = "") -> None:
        """Start it; it shares no connection with us."""
        connections.close_all()
        sys.stderr.flush()
        self.status: int | None = None
        self.kill_at, self.ended_by_us = kill_at, False
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(_run(work, kill_at))

    def ended(self) -> bool:
        """Whether it has ended, by itself or not."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None
        return self.status is not None

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if not self.ended():
            self.ended_by_us = True
            os.kill(self.pid, signal.SIGKILL)
            _pid, self.status = os.waitpid(self.pid, 0)

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.status is not None and os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    @property
    def died_at(self) -> str:
        """The boundary at which it ended itself; empty when it did not."""
        return self.kill_at if self.was_killed and not self.ended_by_us else ""


def _run(work: Callable[[], object], kill_at: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.environ[killing.VARIABLE] = kill_at
    stripe_gateway._client.cache_clear()
    try:
        killing.install()
        work()
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        connections.close_all()
        sys.stderr.flush()
    return 0


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until something is so; whether it became so in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def end_all(*processes: Fork, seconds: float) -> None:
    """Wait until each has ended, and kill what has not; that is one more place at which it may be killed.

    A fork inherits the locks that other threads of its parent held at that instant, a sandbox's among them, and now and
    then one waits for ever.
    """
    for process in processes:
        if not wait_for(process.ended, seconds):
            process.kill()


def children_of(parent: int) -> list[int]:
    """A process's children, as far as this system lists them."""
    with contextlib.suppress(OSError):
        return [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text("ascii").split()]
    return []


def kill_children(parent: int) -> int:
    """SIGKILL all of a process's children; returns how many there were."""
    return sum(_killed(child) for child in children_of(parent))


def kill_a_child(parent: int, rng: Random) -> bool:
    """SIGKILL one of a process's children."""
    children = children_of(parent)
    return bool(children) and _killed(rng.choice(children))


def _killed(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
        return True
    return False
