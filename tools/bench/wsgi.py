"""Where the bench's web server finds the application."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tools.bench.settings"

from dashboard.wsgi import application

__all__ = ["application"]
