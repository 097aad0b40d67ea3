"""Runs several programs as one: they start together, and when one ends or we are told to stop, all end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType

PATIENCE_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.2
LAST_LINES = 15
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):  # noqa: N818
    """We were told to stop."""


class ProcessDied(Exception):  # noqa: N818
    """A program ended by itself; the message says which and what it wrote last."""


@dataclass(frozen=True)
class Program:
    """A program that was started.

    Attributes:
        name: As people know it.
        process: The process; it leads a group of its own, so that its children end with it.
        log: What it writes.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])

    def signal_group(self, number: int) -> None:
        """Tell it and its children; it is fine if they are gone."""
        try:
            os.killpg(self.process.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS says the second of a process that has ended.
            return


class Supervisor:
    """Keeps programs together; leaving the ``with`` block ends them all."""

    def __init__(self, logs: Path, environment: Mapping[str, str], folder: Path | None = None) -> None:
        """Write logs into one folder, and start every program in another with the given environment."""
        self._logs, self._environment, self._folder = logs, dict(environment), folder
        self._programs: list[Program] = []
        self._handlers: dict[int, signal._HANDLER] = {}
        self._told_to_stop = False

    def __enter__(self) -> Supervisor:
        self._logs.mkdir(parents=True, exist_ok=True)
        for number in SIGNALS:
            self._handlers[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for ignored in SIGNALS:  # A second Ctrl-C must not leave half of them behind.
            signal.signal(ignored, signal.SIG_IGN)
        self._end_all()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def start(self, name: str, command: Sequence[str]) -> Program:
        """Start a program that is meant to stay."""
        log = self._logs / f"{name.replace(' ', '-')}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._programs.append(Program(name, process, log))
        return self._programs[-1]

    def run(self, command: Sequence[str]) -> None:
        """Run a program that ends, in the foreground.

        Raises:
            ProcessDied: It failed, and what it wrote has been seen; or a program that it needs ended.
            Stopped: A signal came.
        """
        process = subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        try:
            while (status := process.poll()) is None:
                self._check()
                time.sleep(LOOK_EVERY_SECONDS / 4)
        finally:
            process.terminate()
            process.wait()
        if status:
            raise ProcessDied(f"{' '.join(command[1:3])} failed.")

    def wait_until(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a sign of life while every program stays up.

        Raises:
            ProcessDied: A program ended, or the time is over.
            Stopped: A signal came.
        """
        until = time.monotonic() + seconds
        while not ready():
            self._check()
            if time.monotonic() > until:
                raise ProcessDied(f"{what} did not answer within {seconds:.0f} seconds. See the logs in {self._logs}.")
            time.sleep(LOOK_EVERY_SECONDS)

    def watch(self) -> None:
        """Stay until a program ends or somebody stops us.

        Raises:
            ProcessDied: A program ended by itself.
            Stopped: A signal came.
        """
        while True:
            self._check()
            time.sleep(LOOK_EVERY_SECONDS)

    def _check(self) -> None:
        if self._told_to_stop:
            raise Stopped
        for program in self._programs:
            if (status := program.process.poll()) is not None:
                raise ProcessDied(f"The {program.name} ended with status {status}:\n{program.last_words()}")

    def _end_all(self) -> None:
        """Ask all to stop, the last started first; end by force what does not."""
        programs = self._programs[::-1]
        for program in programs:
            program.process.poll()
            program.signal_group(signal.SIGTERM)
        until = time.monotonic() + PATIENCE_SECONDS
        for program in programs:
            try:
                program.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        for program in programs:
            program.signal_group(signal.SIGKILL)
            program.process.wait()

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Only remember it: raising here could lose a program between its start and our list."""
        self._told_to_stop = True
