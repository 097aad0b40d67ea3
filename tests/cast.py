"""Who plays in the tests: one conference in EUR, Ada who buys, Grace, Sam and Linus who work at the desk."""

import json
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from registration.models import Conference, Credit, Membership, Order, OrderLineItem, Payment, RefundReason
from registration.money import to_minor_units
from registration.roles import ensure_roles

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

STRIPE_KEY = "sk_test_sandbox_demo"
WEBHOOK_SECRET = "whsec_of_this_test"
HTMX = {"HX-Request": "true"}
PASSWORD = "correct horse battery staple"
_numbers = count(1)
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def make_conference(slug: str = "djangocon", currency: str = "EUR", **fields: Any) -> Conference:
    """A conference with Stripe's test keys and two reasons to refund, whose refunds are sent at once."""
    keys = {"stripe_secret_key": STRIPE_KEY, "stripe_webhook_secret": WEBHOOK_SECRET}
    fields = {"name": slug.title(), "undo_seconds": 0} | keys | fields
    conference = Conference.objects.create(slug=slug, currency=currency, **fields)
    for position, label in enumerate(("Requested by attendee", "Programme changed")):
        RefundReason.objects.create(conference=conference, label=label, position=position)
    return conference


def make_user(name: str, last_name: str = "", **fields: Any) -> Any:
    """A user with the password of all tests."""
    fields = {"first_name": name.title(), "last_name": last_name, "email": f"{name}@example.com"} | fields
    return get_user_model().objects.create_user(name, password=PASSWORD, **fields)


def make_staff(name: str, role: str, *conferences: Conference, last_name: str = "") -> Any:
    """A colleague with a role, working at conferences."""
    user = make_user(name, last_name)
    user.groups.add(ensure_roles()[role])
    for conference in conferences:
        Membership.objects.create(user=user, conference=conference)
    return user


def make_order(
    conference: Conference,
    user: Any,
    *,
    paid: str = "",
    total: str = "",
    items: dict[str, str] | None = None,
    sandbox: "SandboxServer | None" = None,
    **fields: Any,
) -> Order:
    """An order with its lines; ``paid`` by card, and known to Stripe's stand-in when that is given.

    Args:
        conference: Whose order, in whose currency.
        user: The attendee.
        paid: What one card payment paid, in major units; nothing leaves the order pending.
        total: The order's total when it differs from ``paid``.
        items: Description to line total; one line of the whole total when left out.
        sandbox: Where to make the payment intent as well.
        fields: Further columns of the order.
    """
    amount = Decimal(total or paid or "100.00")
    fields = {
        "billing_name": user.get_full_name(),
        "billing_email": user.email,
        "status": Order.Status.PAID if paid else Order.Status.PENDING,
    } | fields
    order = Order.objects.create(conference=conference, user=user, total=amount, subtotal=amount, **fields)
    for description, price in (items or {"Individual ticket": str(amount)}).items():
        OrderLineItem.objects.create(
            order=order, description=description, unit_price=Decimal(price), line_total=Decimal(price)
        )
    if paid:
        pay(order, paid, sandbox=sandbox)
    order.refresh_from_db()
    return order


def pay(
    order: Order,
    amount: str,
    *,
    method: str = Payment.Method.STRIPE,
    sandbox: "SandboxServer | None" = None,
    credit: Credit | None = None,
    **fields: Any,
) -> Payment:
    """A payment that arrived; by card it has ids at Stripe, and exists there when ``sandbox`` is given."""
    if method == Payment.Method.STRIPE:
        number = next(_numbers)
        fields = {
            "stripe_payment_intent_id": f"pi_cast_{number}",
            "stripe_charge_id": f"ch_cast_{number}",
            "card_brand": "visa",
            "card_last4": "4242",
        } | fields
    payment = Payment.objects.create(
        order=order,
        method=method,
        status=Payment.Status.SUCCEEDED,
        amount=Decimal(amount),
        credit=credit,
        **fields,
    )
    if sandbox is not None:
        known_to_stripe(sandbox, payment)
    order.refresh_from_db()
    payment.refresh_from_db()
    return payment


def known_to_stripe(sandbox: "SandboxServer", payment: Payment) -> None:
    """Give Stripe's stand-in the payment that we already have."""
    seeded = {
        "id": payment.stripe_payment_intent_id,
        "charge": payment.stripe_charge_id,
        "amount": to_minor_units(payment.amount, payment.currency),
        "currency": payment.currency.lower(),
        "brand": payment.card_brand,
        "last4": payment.card_last4,
    }
    key = payment.order.conference.stripe_secret_key
    control(sandbox, "seed", account_key=key, payments=[seeded])


def control(sandbox: "SandboxServer", path: str, **body: Any) -> dict[str, Any]:
    """Tell Stripe's stand-in what to do: ``control(sandbox, "faults", fault=…, path="/v1/refunds")``."""
    request = urllib.request.Request(f"{sandbox.url}/_sandbox/{path}", json.dumps(body).encode(), method="POST")
    with _opener.open(request, timeout=20) as answer:
        result: dict[str, Any] = json.load(answer)
    return result


def make_credit(conference: Conference, user: Any, amount: str, **fields: Any) -> Credit:
    """Store credit that the attendee can spend."""
    credit = Credit.objects.create(
        conference=conference,
        user=user,
        amount=Decimal(amount),
        kind=fields.pop("kind", Credit.Kind.GOODWILL),
        **fields,
    )
    credit.refresh_from_db()
    return credit


def client_of(user: Any) -> Client:
    """A browser in which the user is signed in."""
    client = Client()
    client.force_login(user, backend="dashboard.permissions.OneQuestionBackend")
    return client


@pytest.fixture
def conference(db: None) -> Conference:
    """The conference everybody works at."""
    return make_conference()


@pytest.fixture
def other_conference(db: None) -> Conference:
    """A conference nobody of the cast works at."""
    return make_conference("pycon", "USD")


@pytest.fixture
def ada(db: None) -> Any:
    """The attendee."""
    return make_user("ada", "Lovelace")


@pytest.fixture
def grace(conference: Conference) -> Any:
    """Finance: may do everything with money."""
    return make_staff("grace", "Finance", conference, last_name="Hopper")


@pytest.fixture
def sam(conference: Conference) -> Any:
    """Support: refunds up to the limit, applies credit."""
    return make_staff("sam", "Support", conference, last_name="Gamgee")


@pytest.fixture
def linus(conference: Conference) -> Any:
    """Viewer: looks, never touches."""
    return make_staff("linus", "Viewer", conference, last_name="Pauling")


@pytest.fixture
def grace_client(grace: Any) -> Client:
    """Grace's browser."""
    return client_of(grace)


@pytest.fixture
def sam_client(sam: Any) -> Client:
    """Sam's browser."""
    return client_of(sam)


@pytest.fixture
def linus_client(linus: Any) -> Client:
    """Linus's browser."""
    return client_of(linus)


@pytest.fixture
def order(conference: Conference, ada: Any) -> Order:
    """Ada's order, 80.00 paid by card; Stripe knows nothing of it."""
    return make_order(conference, ada, paid="80.00")


@pytest.fixture
def card_order(conference: Conference, ada: Any, sandbox: "SandboxServer") -> Order:
    """Ada's order, 80.00 paid by a card that Stripe's stand-in knows."""
    return make_order(conference, ada, paid="80.00", sandbox=sandbox)


@pytest.fixture
def pending_order(conference: Conference, ada: Any) -> Order:
    """Ada's order of 50.00 that waits for its payment."""
    return make_order(conference, ada, total="50.00")


@pytest.fixture
def new_order(conference: Conference, ada: Any) -> Callable[..., Order]:
    """Makes further orders of Ada: ``new_order(paid="80.00", reference="ORD-2")``."""

    def new_order(**fields: Any) -> Order:
        return make_order(conference, fields.pop("user", ada), **fields)

    return new_order
