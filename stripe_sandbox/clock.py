"""The sandbox's own time, which can be moved."""

from __future__ import annotations

import time

from .store import Store


class Clock:
    """Wall time plus an offset that is kept with the state, or a frozen instant."""

    def __init__(self, store: Store) -> None:
        self._store = store
        saved = store.setting("clock", {"offset": 0.0, "frozen": None})
        self._offset: float = saved["offset"]
        self._frozen: float | None = saved["frozen"]

    def now(self) -> int:
        """Return the present second of the sandbox."""
        return int(self._frozen if self._frozen is not None else time.time() + self._offset)

    def advance(self, seconds: float) -> None:
        """Move time forward."""
        if self._frozen is not None:
            self._frozen += seconds
        else:
            self._offset += seconds
        self._save()

    def set(self, now: float, *, frozen: bool = False) -> None:
        """Set time to an instant; it runs on from there unless frozen."""
        self._frozen = now if frozen else None
        self._offset = now - time.time()
        self._save()

    def reset(self) -> None:
        """Return to wall time."""
        self._frozen, self._offset = None, 0.0
        self._save()

    def _save(self) -> None:
        self._store.set_setting("clock", {"offset": self._offset, "frozen": self._frozen})
