"""Many real processes that do the same thing at the same moment; run as a program, it prints what each of them met.

One process makes Django ready and forks the others, so that fifty of them begin together and not one after the other.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 180


def all_at_once(what: str, count: int, *keys: int) -> list[str]:
    """What each of ``count`` processes met: ``done``, or the sentence that it read.

    Args:
        what: A key of ``ACTIONS``.
        count: How many processes.
        keys: What the action is about; see there.
    """
    from django.conf import settings
    from django.db import connection

    environment = os.environ | {"STRIPE_API_BASE": settings.STRIPE_API_BASE}
    command = [sys.executable, "-m", "tests.registration.many", str(connection.settings_dict["NAME"]), what, str(count)]
    done = subprocess.run(
        [*command, *map(str, keys)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    met: list[str] = json.loads(done.stdout.splitlines()[-1])
    return met


def refund(number: int, order: int) -> None:
    """Three of the order, whoever else is at it."""
    from registration.models import Order, Refund
    from registration.services.refund import RefundService

    RefundService.create_refund(Order(pk=order), amount=Decimal("3.00"), destination=Refund.Destination.CARD)


def submit(number: int, order: int) -> None:
    """The same form."""
    from registration.models import Order, Refund
    from registration.services.refund import RefundService

    card = Refund.Destination.CARD
    RefundService.create_refund(Order(pk=order), amount=Decimal("3.00"), destination=card, nonce="one-form")


def spend(number: int, credit: int, *orders: int) -> None:
    """The credit, each on an order of its own."""
    from registration.models import Credit, Order
    from registration.services.refund import RefundService

    RefundService.apply_credit_as_refund(Credit(pk=credit), Order(pk=orders[number]))


def resolve(number: int) -> None:
    """Everything that is open."""
    from registration.services.resolve import resolve_open

    resolve_open(at_once=True)


ACTIONS: dict[str, Callable[..., None]] = {"refund": refund, "submit": submit, "spend": spend, "resolve": resolve}


def main(name: str, what: str, count: str, *keys: str) -> None:
    """Fork, begin together, and gather what everybody met."""
    import django
    from django.conf import settings

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    base = os.environ["STRIPE_API_BASE"]
    settings.DATABASES["default"]["NAME"] = name
    settings.STRIPE_API_BASE = base
    django.setup()
    gate_out, gate_in = os.pipe()
    children = [_fork(gate_out, gate_in, what, number, [int(key) for key in keys]) for number in range(int(count))]
    os.close(gate_out)
    os.close(gate_in)  # Everybody waits for the end of this pipe.
    met = []
    for pid, answer in children:
        with os.fdopen(answer) as reader:
            met.append(reader.read())
        os.waitpid(pid, 0)
    print(json.dumps(met))  # noqa: T201


def _fork(gate_out: int, gate_in: int, what: str, number: int, keys: list[int]) -> tuple[int, int]:
    answer_out, answer_in = os.pipe()
    pid = os.fork()
    if pid:
        os.close(answer_in)
        return pid, answer_out
    os.close(gate_in)
    os.read(gate_out, 1)
    try:
        said = _met(what, number, keys)
    except BaseException as error:
        said = f"{type(error).__name__}: {error}"
    os.write(answer_in, said.encode())
    os._exit(0)


def _met(what: str, number: int, keys: list[int]) -> Any:
    from registration.services.errors import RefundError

    try:
        ACTIONS[what](number, *keys)
    except RefundError as error:
        return error.sentence
    return "done"


if __name__ == "__main__":
    main(*sys.argv[1:])
