"""The product's settings, with what only the yardsticks need."""

import os

os.environ.setdefault("SECRET_KEY", "only-for-the-bench-" + "x" * 40)
os.environ.update(HTTPS="0", DEBUG="0", DEMO_MODE="0", STRIPE_API_BASE="", ALLOWED_HOSTS="testserver,127.0.0.1")

from dashboard.settings import *  # noqa: F403
from dashboard.settings import AUTHENTICATION_BACKENDS, INSTALLED_APPS, LOGGING, STORAGES

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin"]
# The floor is read by somebody signed in as Django's own backend does it, whatever ours asks besides.
PLAIN = "django.contrib.auth.backends.ModelBackend"
AUTHENTICATION_BACKENDS = [*AUTHENTICATION_BACKENDS, PLAIN]
ROOT_URLCONF = "tools.bench.urls"
WSGI_APPLICATION = "tools.bench.wsgi.application"
STATIC_ROOT = None
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# Written as in production, and read by nobody.
handlers: dict[str, object] = LOGGING["handlers"]  # type: ignore[assignment]
handlers["stderr"] = {"class": "logging.FileHandler", "filename": os.devnull, "formatter": "line"}
