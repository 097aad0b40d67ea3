"""What is broken by hand, at Stripe's stand-in and in our tables, is named, nothing else is, and repair ends it."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from registration.comparison_words import told
from registration.models import Conference, OpenItem, Payment
from registration.services.comparison import asking as compare_asking
from registration.services.comparison.asking import Asker
from registration.services.comparison.repair import repair_all
from registration.services.external import apply_refund
from registration.services.open_items import resolve_item
from registration.services.refund import RefundService
from registration.stripe_gateway import gateway_for
from stripe_sandbox.ids import account_id
from tests.registration.books import KEY, control, make_card_order, make_conference, make_order, make_user
from tests.registration.drift import (
    BREAKS,
    Kind,
    Season,
    State,
    dispute_nobody_told_of,
    refund_made_in_stripes_dashboard,
    refund_over_another_amount_there,
)

if TYPE_CHECKING:
    from stripe_sandbox.server import SandboxServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_asking, "PER_SECOND", 10_000)
    monkeypatch.setattr(compare_asking, "PATIENT", ())


@pytest.fixture
def season(sandbox: "SandboxServer") -> Season:
    season = Season(sandbox)
    for _number in range(3):
        season.refunded()
    season.paid()
    make_order(season.conference)
    assert not season.run().differences.exists()
    return season


def test_what_is_broken_by_hand_is_named_and_nothing_else_and_ends_by_repair(season: Season) -> None:
    assert len(BREAKS) >= 20
    expected = {broken(season): ends for broken, ends in BREAKS.items()}

    run = season.run()

    assert {d.subject: d.kind for d in run.differences.all()} == {key: kind for key, (kind, _end) in expected.items()}
    items = OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.DRIFT)
    assert set(items.values_list("subject", flat=True)) == set(expected)

    repair_all(run.differences.filter(state=State.OPEN), asker=Asker(season.conference))

    assert {d.subject: d.state for d in run.differences.all()} == {key: end for key, (_kind, end) in expected.items()}
    left = {d.subject: d.state for d in season.run().differences.all()}
    assert left == {key: end for key, (_kind, end) in expected.items() if end == State.NAMED}
    for subject in left:
        bare = subject.partition(":")[2]
        by_intent = bare.replace("ch_", "pi_")
        assert OpenItem.objects.unresolved().filter(subject__in=[subject, bare, by_intent]).exists(), subject


def test_what_a_person_settled_stays_settled_until_a_side_changes(season: Season) -> None:
    subject = refund_over_another_amount_there(season)
    repair_all(season.run().differences.all(), asker=Asker(season.conference))
    item = OpenItem.objects.unresolved().get(kind=OpenItem.Kind.DRIFT)
    resolve_item(item, staff_user=make_user("grace"), resolution="Stripe corrected a cent by phone.")

    assert season.run().differences.get().state == State.ACCEPTED
    assert not OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.DRIFT).exists()

    season.edit("refund", subject.removeprefix("refund:"), amount=4200)
    assert season.run().differences.get().state == State.OPEN
    assert OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.DRIFT).count() == 1


def test_money_that_went_back_twice_past_the_desk_stays_an_item(season: Season) -> None:
    order = season.paid()
    RefundService.create_refund(order, amount=Decimal("100.00"), destination="CREDIT")
    subject = f"refund:{season.at_stripe(order)}"

    run = season.run()
    assert {d.subject: d.state for d in run.differences.all()} == {subject: State.OPEN}
    repair_all(run.differences.all(), asker=Asker(season.conference))

    assert run.differences.get().state == State.NAMED
    item = OpenItem.objects.unresolved().get()
    assert (item.kind, item.refund) == (OpenItem.Kind.EXTERNAL, None)
    assert season.run().differences.get().state == State.NAMED


def test_a_refund_there_that_moved_nothing_is_no_difference(season: Season) -> None:
    refund = season.at_stripe(season.paid())
    control(season.sandbox, f"refunds/{refund}/fail")

    assert not season.run().differences.exists()


def test_a_charge_that_failed_before_another_succeeded_is_no_difference(season: Season) -> None:
    payment = season.paid().payments.get()
    Payment.objects.filter(pk=payment.pk).update(stripe_charge_id="")
    failed = {"id": "ch_declined", "status": "failed", "captured": False, "amount_captured": 0}
    store, account = season.sandbox.store, account_id(KEY)
    store.put(account, "charge", (store.get(account, "charge", payment.stripe_charge_id) or {}) | failed)

    assert not season.run().differences.exists()


def test_a_charge_that_failed_does_not_stand_for_the_payment_that_is_gone(season: Season) -> None:
    payment = season.paid().payments.get()
    failed = {"id": "ch_declined", "status": "failed", "captured": False, "amount_captured": 0}
    store, account = season.sandbox.store, account_id(KEY)
    store.put(account, "charge", (store.get(account, "charge", payment.stripe_charge_id) or {}) | failed)
    season.delete("charge", payment.stripe_charge_id)
    season.delete("payment_intent", payment.stripe_payment_intent_id)

    assert season.run().differences.get().kind == Kind.PAYMENT_MISSING_THERE


@pytest.mark.parametrize("changed", [{"status": "under_review"}, {"is_charge_refundable": True}])
def test_a_dispute_whose_state_or_consequence_changed_is_named(season: Season, changed: dict[str, Any]) -> None:
    subject = dispute_nobody_told_of(season)
    repair_all(season.run().differences.all(), asker=Asker(season.conference))
    assert not season.run().differences.exists()

    season.edit("dispute", subject.removeprefix("dispute:"), **changed)

    difference = season.run().differences.get()
    assert difference.kind == Kind.DISPUTE_STATE
    assert (difference.ours["state"], difference.ours["id"]) == ("needs_response", difference.theirs["id"])


@pytest.mark.parametrize("status", [Payment.Status.PENDING, Payment.Status.FAILED])
def test_a_charge_that_failed_for_a_payment_that_did_not_arrive_is_no_difference(season: Season, status: str) -> None:
    intent, order = season.intent(), make_order(season.conference)
    Payment.objects.create(order=order, amount=order.total, stripe_payment_intent_id=intent, status=status)
    season.edit("charge", intent.replace("pi_", "ch_"), status="failed", captured=False, amount_captured=0)
    season.edit("payment_intent", intent, status="requires_payment_method", amount_received=0)

    assert not season.run().differences.exists()


def test_both_sides_of_every_difference_can_be_read(season: Season) -> None:
    expected = {broken(season): kind for broken, (kind, _end) in BREAKS.items()}

    run = season.run()

    known = {"id", "amount", "currency", "state", "number", "payment"}
    for difference in run.differences.all():
        ours, theirs = difference.ours, difference.theirs
        assert set(ours) | set(theirs) <= known
        assert ours or theirs
        about_a_refund = difference.subject.startswith("refund:")
        assert not about_a_refund or not theirs or theirs["payment"].startswith("pi_sim_")
        words = told(difference.kind, ours, theirs)
        assert words == " ".join(words.split())
        assert "None" not in words
    nameless = {d.kind for d in run.differences.filter(order=None)}
    assert nameless <= {Kind.UNKNOWN_PAYMENT, Kind.PAYMENT_MISSING_HERE}
    assert len(expected) == run.differences.count()


def test_a_payment_that_stripe_has_but_never_took_is_named(season: Season) -> None:
    payment = season.paid().payments.get()
    season.edit("charge", payment.stripe_charge_id, captured=False, amount_captured=0)
    season.edit("payment_intent", payment.stripe_payment_intent_id, status="requires_capture")

    run = season.run()
    assert run.differences.get().kind == Kind.PAYMENT_STATE
    repair_all(run.differences.all(), asker=Asker(season.conference))

    assert run.differences.get().state == State.NAMED
    payment.refresh_from_db()
    assert payment.status == Payment.Status.SUCCEEDED


def test_what_settled_itself_meanwhile_is_said_to_be_gone(season: Season) -> None:
    subject = refund_made_in_stripes_dashboard(season)
    difference = season.run().differences.select_related("run__conference").get()
    apply_refund(season.conference, gateway_for(season.conference).fetch_refund(subject.removeprefix("refund:")))

    repair_all([difference], asker=Asker(season.conference))

    difference.refresh_from_db()
    assert difference.state == State.GONE
    assert not OpenItem.objects.unresolved().filter(kind=OpenItem.Kind.DRIFT).exists()


def test_every_item_ends_when_its_difference_does(season: Season) -> None:
    subjects = [refund_made_in_stripes_dashboard(season) for _number in range(3)]
    season.run()
    gateway = gateway_for(season.conference)
    for subject in subjects[1:]:
        apply_refund(season.conference, gateway.fetch_refund(subject.removeprefix("refund:")))

    season.run()

    items = OpenItem.objects.filter(kind=OpenItem.Kind.DRIFT)
    assert {item.subject for item in items.unresolved()} == {subjects[0]}
    assert {str(item.resolution) for item in items.filter(resolved_at__isnull=False)} == {
        "Stripe and the books agree again."
    }


def test_another_conference_is_never_looked_at(season: Season) -> None:
    other = make_conference("djangocon", stripe_secret_key="sk_test_sandbox_other")
    make_card_order(other, intent="pi_elsewhere")

    assert not season.run().differences.exists()
    assert Conference.objects.count() == 2
