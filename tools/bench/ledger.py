"""``verify_ledger`` in a process of its own, which says how many seconds it took apart from starting."""

import os
from time import perf_counter

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "tools.bench.settings"

if __name__ == "__main__":
    django.setup()
    from django.core.management import call_command

    start = perf_counter()
    call_command("verify_ledger", stdout=open(os.devnull, "w"))  # noqa: SIM115 - ends with the process.
    print(perf_counter() - start)
