"""What one person causes, the next reads in a language of their own; what a person typed stays as they typed it."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core import serializers
from django.db import connection
from django.utils import translation

from registration import stripe_gateway
from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.refund_words import checking, ended_because
from registration.said import REASONS, SENTENCES, Said, read, reason_in_words, say, stored, why_refunded
from registration.sentences import sentence
from registration.services import sending
from registration.services.approval import approve_refund, reject_refund
from registration.services.attention import check_now, send_back
from registration.services.errors import RefundError, RefundHeld, RefundProposed
from registration.services.history import record
from registration.services.manual import pay_by_hand_instead
from registration.services.open_items import open_item, resolve_item
from registration.services.refund import RefundService
from registration.services.undo import release_refund, undo_refund
from tests.cast import make_staff
from tests.registration.books import assert_books_agree, make_conference, make_order
from tests.registration.desk import card_order, fault

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db
TONGUES = [("de", "en"), ("en", "de")]
CARD = Refund.Destination.CARD


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_gateway, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(sending, "BUSY_PAUSES", (0.0, 0.0))
    stripe_gateway._client.cache_clear()


def propose(order: Order, staff_user: Any) -> Refund:
    with pytest.raises(RefundProposed):
        RefundService.create_refund(
            order, amount=Decimal("80.00"), destination=CARD, staff_user=staff_user, propose=True
        )
    return order.refunds.latest("pk")


def refused(order: Order, **options: Any) -> Refund:
    """A refund of a payment that Stripe does not know."""
    order.payments.update(stripe_payment_intent_id="pi_sim_nobody_knows")
    with pytest.raises(RefundError):
        RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD, **options)
    return order.refunds.latest("pk")


def resolution_of(refund: Refund) -> str:
    return str(OpenItem.objects.get(refund=refund, resolved_at__isnull=False).resolution)


@pytest.mark.parametrize(("acts", "reads"), TONGUES)
def test_decisions_are_read_in_the_readers_language(sandbox: "SandboxServer", acts: str, reads: str) -> None:
    order = card_order(sandbox)
    order.conference.support_refund_limit = Decimal("50.00")
    order.conference.save()
    sam, grace = (make_staff(name, role, order.conference) for name, role in (("sam", "Support"), ("grace", "Finance")))
    with translation.override(acts):
        approved = approve_refund(propose(order, sam), staff_user=grace)
    other = card_order(sandbox, conference=order.conference)
    with translation.override(acts):
        rejected = reject_refund(propose(other, sam), staff_user=grace, reason="Schon benutzt, used up")

    with translation.override(reads):
        words = resolution_of(approved), resolution_of(rejected), ended_because(rejected)

    assert (
        words
        == {
            "en": ("Approved.", "Rejected: Schon benutzt, used up", "Schon benutzt, used up"),
            "de": ("Freigegeben.", "Abgelehnt: Schon benutzt, used up", "Schon benutzt, used up"),
        }[reads]
    )


@pytest.mark.parametrize(("acts", "reads"), TONGUES)
def test_a_refusal_is_read_in_the_readers_language(sandbox: "SandboxServer", acts: str, reads: str) -> None:
    order = card_order(sandbox)
    with translation.override(acts):
        refused(order)

    entry = order.history.get(kind="refund_part_failed")
    with translation.override(reads):
        words = ended_because(order.refunds.get()), sentence(entry)

    money, card = ("$40.00", "Card") if reads == "en" else ("40,00\N{NO-BREAK SPACE}$", "Karte")
    refusal = {
        "en": "Stripe does not know this payment. It may belong to another account.",
        "de": "Stripe kennt diese Zahlung nicht. Sie gehört womöglich zu einem anderen Konto.",
    }[reads]
    failed = {"en": f"{money} to {card} failed. ", "de": f"{money} auf {card} fehlgeschlagen. "}[reads]
    assert words == (refusal, failed + refusal.rstrip("."))


@pytest.mark.parametrize(("acts", "reads"), TONGUES)
def test_what_stripe_answered_is_read_in_the_readers_language(sandbox: "SandboxServer", acts: str, reads: str) -> None:
    order = card_order(sandbox)
    with translation.override(acts):
        with fault(sandbox, "close", method="POST"), pytest.raises(RefundError):
            RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD)
        part = RefundPart.objects.get()
        assert part.state == State.UNCONFIRMED
        with translation.override(reads):
            assert checking(part).endswith(
                {"en": "Stripe did not answer.", "de": "Stripe hat nicht geantwortet."}[reads]
            )
        item = check_now(OpenItem.objects.get(kind=OpenItem.Kind.UNCONFIRMED))

    with translation.override(reads):
        assert (
            str(item.resolution)
            == {
                "en": "Stripe answered: Succeeded.",
                "de": "Antwort von Stripe: Erfolgreich.",
            }[reads]
        )


@pytest.mark.parametrize(("acts", "reads"), TONGUES)
def test_a_day_and_a_card_are_read_in_the_readers_language(sandbox: "SandboxServer", acts: str, reads: str) -> None:
    order = card_order(sandbox)
    with pytest.raises(RefundHeld):
        RefundService.create_refund(order, amount=Decimal("40.00"), destination=CARD, hold_seconds=60)
    dispute = {"status": "needs_response", "created": 1777852800, "due_by": 1779062400}
    order.payments.update(dispute=dispute, card_brand="visa", card_last4="4242")
    with translation.override(acts):
        refund = release_refund(order.refunds.get())

    with translation.override(reads):
        words = ended_because(refund), sentence(order.history.get(kind="refund_part_failed"))

    why = {
        "en": "Not refundable: disputed on 4 May, evidence due 18 May.",
        "de": "Nicht erstattbar: am 4. Mai angefochten, Belege fällig am 18. Mai.",
    }[reads]
    assert words[0] == why
    assert {"en": "to Visa ending 4242", "de": "auf Visa mit Endziffern 4242"}[reads] in words[1]
    assert_books_agree()


def test_a_retry_in_one_language_is_taken_back_in_the_other(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    sam = make_staff("sam", "Support", order.conference)
    failed = refused(order)
    with translation.override("de"), pytest.raises(RefundHeld):
        RefundService.create_refund(
            order,
            amount=Decimal("40.00"),
            destination=CARD,
            staff_user=sam,
            retry_of=failed,
            hold_seconds=60,
        )

    undo_refund(order.refunds.latest("pk"), staff_user=sam)

    assert OpenItem.objects.unresolved().get().kind == OpenItem.Kind.FAILED


def test_what_was_paid_by_hand_names_what_was_typed(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    grace = make_staff("grace", "Finance", order.conference)
    failed = refused(order)
    with translation.override("de"):
        pay_by_hand_instead(failed.parts.get(), reference='{"code": "approved"}', staff_user=grace)

    said = [str(item.resolution) for item in OpenItem.objects.order_by("pk")]

    assert said == [
        f"Paid by hand as {order.refunds.latest('pk').number}",
        'Paid by hand, reference {"code": "approved"}',
    ]


def test_the_desks_own_reasons_are_said_and_the_houses_stay(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    RefundService.create_refund(order, amount=Decimal("10.00"), destination=CARD, internal_reason="Programme changed")
    RefundService.create_refund(order, amount=Decimal("10.00"), destination=CARD, internal_reason="Wasserschaden")
    RefundService.create_refund(order, amount=Decimal("10.00"), destination=CARD, reason="duplicate")

    with translation.override("de"):
        told = [why_refunded(refund) for refund in order.refunds.order_by("pk")]

    assert told == ["Programm geändert", "Wasserschaden", "Doppelt"]
    assert [reason_in_words(reason) for reason in REASONS] == list(REASONS)


def test_what_looks_like_one_of_ours_and_was_typed_stays_typed() -> None:
    order = make_order(make_conference())
    typed = ['{"code": []}', '{"code": {}}', '{"code": "refused", "state": 1}', '{"a":' + "[" * 3000]
    typed += ['{"code": "approved"}', '{"code": "typed", "text": "x"}', '{"code": 1}', '{"', "[]", "Approved."]
    for text in typed:
        item = open_item(OpenItem.Kind.OVERPAID, text[:60], conference=order.conference, order=order)
        resolve_item(item, staff_user=make_staff(f"s{len(OpenItem.objects.all())}", "Finance"), resolution=text)
        record(order, "refund_rejected", facts={"reason": text, "amount": "1", "currency": "EUR"})

    with translation.override("de"):
        assert [str(item.resolution) for item in OpenItem.objects.order_by("pk")] == typed
        told = [sentence(entry) for entry in order.history.order_by("position")]
    assert [each.partition(": ")[2] for each in told] == typed


def test_a_sentence_that_lacks_a_value_still_reads() -> None:
    assert str(say("rejected", reason="")) == "Rejected: "


def test_the_database_keeps_no_sentence_of_ours() -> None:
    order = make_order(make_conference())
    item = open_item(OpenItem.Kind.OVERPAID, "payment:1", conference=order.conference)
    with translation.override("de"):
        resolve_item(item, staff_user=make_staff("sam", "Support"), resolution=say("matched", order="ORD-1"))

    with connection.cursor() as cursor:
        cursor.execute("SELECT resolution FROM registration_openitem")
        assert cursor.fetchone() == ('{"code": "matched", "order": "ORD-1"}',)
    assert OpenItem.objects.filter(resolution=say("matched", order="ORD-1")).exists()
    with translation.override("de"):
        kept = serializers.serialize("json", OpenItem.objects.all())
    assert next(serializers.deserialize("json", kept)).object.resolution == Said("matched", {"order": "ORD-1"})


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_every_sentence_is_whole_in_both_languages(code: str) -> None:
    values = {"amount": "5.00", "currency": "EUR", "state": "failed", "when": "2026-05-04", "due": "2026-05-18"}
    others = "reason dispute order number reference credits theirs ours credit id brand last4 method text".split()
    said = say(code, **values, **dict.fromkeys(others, "x"))

    assert read(stored(said)) == said
    for language in ("en", "de"):
        with translation.override(language):
            assert "%" not in str(said)


def test_an_amount_or_a_code_that_nobody_knows_reads_as_it_is_kept() -> None:
    assert str(say("credit_recalled", amount="much", credits="CR-1", number="RF-1")).startswith("much taken back")
    assert str(say("dispute_closed", dispute="new_word")) == "Stripe closed the dispute: new word."
    assert str(say("answered", state="new_state")) == "Stripe answered: new_state."


def test_what_came_late_and_went_back_says_so_to_each(sandbox: "SandboxServer") -> None:
    order = card_order(sandbox)
    Order.objects.filter(pk=order.pk).update(status=Order.Status.CANCELLED)
    item = open_item(
        OpenItem.Kind.PAID_LATE,
        "payment:1",
        conference=order.conference,
        order=Order.objects.get(),
        payment=order.payments.get(),
    )
    with translation.override("de"):
        refund = send_back(item, staff_user=make_staff("grace", "Finance", order.conference))

    assert why_refunded(refund) == "Paid after the order had ended"
