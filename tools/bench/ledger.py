"""``verify_ledger`` in a process of its own: how many seconds it takes apart from starting, how many MB over idle."""

import json
import os
from time import perf_counter

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tools.bench.settings"

if __name__ == "__main__":
    django.setup()
    from django.core.management import call_command

    from tools.bench.clock import peak_while

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        start = perf_counter()
        peak = peak_while(lambda: call_command("verify_ledger", stdout=nowhere))
        print(json.dumps([perf_counter() - start, peak]))
