"""The tests' settings with the database in memory, so that a forked process has one of its own."""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"]["TEST"] = {"NAME": "file:mutants?mode=memory&cache=shared"}
