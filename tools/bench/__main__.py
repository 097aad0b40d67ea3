"""Build a season in a database of its own and time the pages. ``ORDERS`` and ``DB`` choose size and database."""

import os
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import django

ROUNDS = 40


def main(folder: Path) -> None:
    """Build, measure and print one line per page."""
    orders = int(os.environ.get("ORDERS") or 10_000)
    name = os.environ.get("DB") or "sqlite"
    _set_up(folder, name)
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    from registration.models import Order
    from tools.bench.season import build

    call_command("migrate", verbosity=0)
    season = build(orders, now=timezone.now(), progress=True)
    client = Client()
    client.force_login(season.staff)
    reference = Order.objects.order_by("pk")[orders // 2].reference
    pages = {
        "Floor: 25 rows, plain template": "/bench/floor/",
        "Orders, first page": "/orders/",
        "Orders, one row": f"/orders/{reference}/row/",
        "Order": f"/orders/{reference}/",
        "Refunds": "/refunds/",
        "Credits": "/credits/",
    }
    print(f"{orders:,} orders, {name}, Python {sys.version.split()[0]}, {ROUNDS} warm requests each\n")
    print(f"{'page':<34}{'median ms':>10}{'p95 ms':>9}{'× floor':>9}{'queries':>9}{'kB':>7}")
    floor = 0.0
    for page, path in pages.items():
        times, queries, size = _measure(client, path)
        floor = floor or median(times)
        p95 = quantiles(times, n=20)[-1]
        ratio = median(times) / floor
        print(f"{page:<34}{median(times):>10.1f}{p95:>9.1f}{ratio:>9.1f}{queries:>9}{size / 1000:>7.1f}")


def _set_up(folder: Path, name: str) -> None:
    if name == "postgresql":
        from tests.postgres import server_url

        os.environ["DATABASE_URL"] = server_url(folder)
    else:
        os.environ["DATABASE_URL"] = f"sqlite:///{folder / 'bench.sqlite3'}"
    os.environ.update(SECRET_KEY="only-for-the-bench", HTTPS="0", DEMO_MODE="0", STRIPE_API_BASE="")  # noqa: S106
    os.environ["ALLOWED_HOSTS"] = "testserver"
    os.environ["DEBUG"] = "1"  # Serves static files from where they are; switched off again before measuring.
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    from django.conf import settings

    settings.DEBUG = False
    settings.ROOT_URLCONF = "tools.bench.urls"
    django.setup()


def _measure(client: "django.test.Client", path: str) -> tuple[list[float], int, int]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    query_count = len(queries)  # Read now: the next request empties the log.
    if response.status_code != 200:
        raise SystemExit(f"{path} answered {response.status_code}")
    times = []
    for _round in range(ROUNDS):
        start = perf_counter()
        client.get(path)
        times.append((perf_counter() - start) * 1000)
    return times, query_count, len(response.content)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="refund-desk-bench-") as temporary:
        main(Path(temporary))
