"""How the settings read the process environment."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from django.core.exceptions import ImproperlyConfigured

YES = {"1", "true", "yes", "on"}
NO = {"", "0", "false", "no", "off"}


def flag(name: str, *, default: bool = False) -> bool:
    """Read a switch such as ``DEBUG=1``; an unclear word is an error, never a silent no."""
    word = os.environ.get(name, "1" if default else "").strip().lower()
    if word not in YES | NO:
        raise ImproperlyConfigured(f"{name} must be 1 or 0, not {word!r}.")
    return word in YES


def words(name: str, *, default: str = "") -> list[str]:
    """Read a comma-separated list such as ``ALLOWED_HOSTS=a.example,b.example``."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]


def secret_key(folder: Path, *, may_be_generated: bool) -> str:
    """Read ``SECRET_KEY``, or keep a generated one in a file that only its owner can read.

    Args:
        folder: Where a generated key is kept.
        may_be_generated: Whether this installation is one machine. Several need one key, given by name.

    Returns:
        The key that signs sessions.

    Raises:
        ImproperlyConfigured: There is no key and none may be generated.
    """
    if key := os.environ.get("SECRET_KEY", ""):
        return key
    if not may_be_generated:
        raise ImproperlyConfigured("Set SECRET_KEY: with DATABASE_URL given, every process must share one key.")
    path = folder / "secret-key"
    if not path.exists():
        _write_once(path, secrets.token_urlsafe(50))
    return path.read_text(encoding="ascii").strip()


def _write_once(path: Path, text: str) -> None:
    """Write a private file completely or not at all, so that two processes starting together agree on it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    try:
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        os.unlink(draft)
