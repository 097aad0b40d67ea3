"""The product's settings, made quick and private for tests.

``REFUND_DESK_TEST_DB`` chooses the database: ``sqlite`` (the default) or ``postgresql``, which means the server at
``DATABASE_URL`` or, without one, a server of our own that lives as long as the test run.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

TEST_DB = os.environ.get("REFUND_DESK_TEST_DB", "sqlite")

# The first process of a run makes the folder and removes it; pytest-xdist's workers inherit the variable.
if "REFUND_DESK_TEST_DIR" not in os.environ:
    os.environ["REFUND_DESK_TEST_DIR"] = tempfile.mkdtemp(prefix="refund-desk-tests-")
    atexit.register(shutil.rmtree, os.environ["REFUND_DESK_TEST_DIR"], ignore_errors=True)
TEST_DIR = Path(os.environ["REFUND_DESK_TEST_DIR"])

if TEST_DB == "postgresql":
    from tests.postgres import server_url

    os.environ["DATABASE_URL"] = server_url(TEST_DIR)
elif TEST_DB == "sqlite":
    os.environ["DATABASE_URL"] = f"sqlite:///{TEST_DIR / 'unused.sqlite3'}"
else:
    raise SystemExit(f"REFUND_DESK_TEST_DB must be sqlite or postgresql, not {TEST_DB!r}.")

os.environ.update(
    SECRET_KEY="only-for-tests-" + "x" * 40,
    STRIPE_API_BASE="",
    DEBUG="0",
    DEMO_MODE="0",
    HTTPS="0",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
)

from dashboard.settings import *  # noqa: E402, F403
from dashboard.settings import DATABASES, STORAGES  # noqa: E402

STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
STATIC_ROOT = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES["default"]["CONN_MAX_AGE"] = 0
if TEST_DB == "sqlite":
    # A file, because threads and processes cannot share a database in memory.
    DATABASES["default"]["TEST"] = {"NAME": str(TEST_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
