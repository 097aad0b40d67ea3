"""What the web server under torture loads."""

from dashboard.wsgi import application
from tools.torture.haste import hurry

hurry()

__all__ = ["application"]
