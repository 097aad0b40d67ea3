"""Ledgers and Stripe payments for tests of what Stripe tells us and of whether the books add up."""

import json
import urllib.request
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

from registration.attention import explanation
from registration.models import (
    Conference,
    Credit,
    HistoryEntry,
    OpenItem,
    Order,
    Payment,
    Refund,
    RefundPart,
    StripeEvent,
)
from registration.sentences import PATTERNS, sentence
from registration.services.verification.run import Ledger

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

KEY = "sk_test_sandbox_demo"
SECRET = "whsec_of_this_test"


def make_conference(slug: str = "pycon", **fields: Any) -> Conference:
    fields = {"name": slug.title(), "stripe_secret_key": KEY, "stripe_webhook_secret": SECRET} | fields
    return Conference.objects.create(slug=slug, **fields)


def make_user(name: str = "ada") -> Any:
    return get_user_model().objects.get_or_create(username=name, defaults={"email": f"{name}@example.com"})[0]


def make_order(conference: Conference, total: str = "100.00", status: str = Order.Status.PENDING) -> Order:
    amount = Decimal(total)
    return Order.objects.create(conference=conference, user=make_user(), total=amount, subtotal=amount, status=status)


def make_card_order(conference: Conference, total: str = "100.00", intent: str = "pi_sim_1") -> Order:
    order = make_order(conference, total, Order.Status.PAID)
    Payment.objects.create(
        order=order,
        status=Payment.Status.SUCCEEDED,
        amount=order.total,
        stripe_payment_intent_id=intent,
        stripe_charge_id=intent.replace("pi_", "ch_"),
    )
    order.refresh_from_db()
    return order


def make_refund(order: Order, amount: str, state: str, stripe_refund_id: str | None = None) -> RefundPart:
    refund = Refund.objects.create(
        order=order, amount=Decimal(amount), state=state, destination=Refund.Destination.CARD
    )
    if state == Refund.State.SUCCEEDED:
        Credit.objects.create(
            user=order.user,
            conference=order.conference,
            amount=refund.amount,
            remaining_amount=Decimal("0.00"),
            status=Credit.Status.PAID_OUT,
            source_order=order,
            refund=refund,
        )
    return RefundPart.objects.create(
        refund=refund,
        payment=order.payments.get(),
        channel=RefundPart.Channel.STRIPE,
        amount=Decimal(amount),
        state=state,
        stripe_refund_id=stripe_refund_id,
    )


def control(sandbox: "SandboxServer", address: str, /, **body: Any) -> dict[str, Any]:
    """Ask the sandbox for what Stripe does not offer."""
    return send(f"{sandbox.url}/_sandbox/{address}", json.dumps(body).encode(), {"Content-Type": "application/json"})


def stripe_post(sandbox: "SandboxServer", path: str, form: str = "") -> dict[str, Any]:
    """Do something at Stripe past the desk, as in Stripe's own dashboard."""
    return send(f"{sandbox.url}/v1/{path}", form.encode(), {"Authorization": f"Bearer {KEY}"})


def stripe_get(sandbox: "SandboxServer", path: str) -> dict[str, Any]:
    return send(f"{sandbox.url}/v1/{path}", None, {"Authorization": f"Bearer {KEY}"})


def send(url: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(url, body, headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        result: dict[str, Any] = json.load(answer)
    return result


def seed(sandbox: "SandboxServer", intent: str = "pi_sim_1", amount_minor: int = 10_000, **fields: Any) -> None:
    """Put a payment into the sandbox; its charge is named after the intent."""
    payment = {"id": intent, "charge": intent.replace("pi_", "ch_"), "amount": amount_minor, "currency": "usd"}
    control(sandbox, "seed", payments=[payment | fields], account_key=KEY)


def store(conference: Conference, kind: str, hint: dict[str, Any], event_id: str = "evt_1") -> StripeEvent:
    payload = {"id": event_id, "type": kind, "data": {"object": hint}}
    return StripeEvent.objects.create(conference=conference, event_id=event_id, type=kind, payload=payload)


def store_all(conference: Conference, sandbox: "SandboxServer", *, backwards: bool = False) -> list[StripeEvent]:
    """Store every event the sandbox has, oldest or newest first."""
    listed = stripe_get(sandbox, "events?limit=100")["data"]
    return [
        StripeEvent.objects.create(conference=conference, event_id=each["id"], type=each["type"], payload=each)
        for each in (listed if backwards else reversed(listed))
    ]


def assert_books_agree() -> None:
    found = [str(finding) for finding in Ledger().findings()]
    assert found == [], found
    assert_everything_is_told()


ENTRY_FACTS = frozenset(
    "amount total currency instrument card cause credit reason due due_by number destination refundable note fee"
    " channel proposer stripe_id payment_intent_id charge_id refund_id dispute_id status for_kind lines failed".split()
)
ITEM_FACTS = frozenset(
    "amount currency cause reason refunded paid part since why due_by available short waiting asked_at"
    " payment_intent_id charge_id refund_id dispute_id status difference ours theirs fingerprint beyond_repair".split()
)


def assert_everything_is_told() -> None:
    """What happened reads as a whole sentence with its amount, on the timeline and in what needs attention."""
    for entry in HistoryEntry.objects.all():
        assert set(entry.facts) <= ENTRY_FACTS, (entry.kind, set(entry.facts) - ENTRY_FACTS)
        assert_whole(sentence(entry), entry.facts)
        assert entry.kind in PATTERNS, entry.kind
        assert entry.facts.get("amount") or not entry.kind.startswith(("refund", "credit", "payment")), entry.kind
        assert entry.facts.get("credit") or not entry.kind.startswith("credit_"), entry.kind
    for item in OpenItem.objects.exclude(facts={}):
        assert set(item.facts) <= ITEM_FACTS, (item.kind, set(item.facts) - ITEM_FACTS)
        assert_whole(explanation(item), item.facts)
        assert "some money" not in explanation(item).lower()


def assert_whole(words: str, facts: dict[str, Any]) -> None:
    assert words == " ".join(words.split()), words
    assert facts.get("currency") or "amount" not in facts, facts


def refund_at_stripe(sandbox: "SandboxServer", amount_minor: int = 4000, **metadata: Any) -> dict[str, Any]:
    extra = "".join(f"&metadata[{name}]={value}" for name, value in metadata.items())
    return stripe_post(sandbox, "refunds", f"payment_intent=pi_sim_1&amount={amount_minor}{extra}")
