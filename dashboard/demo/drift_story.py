"""Money that moved at Stripe and whose event got lost, so that Finance has something to find and to repair."""

from __future__ import annotations

from datetime import timedelta

from dashboard.demo.orders import Shop
from dashboard.demo.stories import bought
from registration.models import Difference, OpenItem
from registration.money import to_minor_units


def never_heard_of(shop: Shop) -> None:
    """Refunded in Stripe's dashboard while our webhook was off; last night's comparison noticed."""
    order, payment = bought(shop, 24)
    now, amount = shop.ledger.now, shop.fraction(order.total, 0.5)
    refund_id, at = f"re_sim_unheard_{shop.plan.slug.replace('-', '_')}", now - timedelta(days=2)
    sent = {"amount": to_minor_units(amount, shop.conference.currency), "created": int(at.timestamp())}
    shop.ledger.seed_of[id(payment)]["refunds"].append({"id": refund_id, "status": "succeeded", "metadata": {}} | sent)
    item = shop.ledger.item(
        OpenItem.Kind.DRIFT,
        f"refund:{refund_id}",
        now - timedelta(hours=9),
        order=order,
        payment=payment,
        amount=amount,
    )
    money = {"amount": str(amount), "currency": shop.conference.currency}
    theirs = money | {"id": refund_id, "state": "succeeded", "payment": payment.stripe_payment_intent_id}
    item.facts |= {
        "difference": str(Difference.Kind.REFUND_MISSING_HERE),
        "ours": {},
        "theirs": theirs,
        "refund_id": refund_id,
    }
