"""What staff do to credits: issue, adjust, extend, void; and what time does."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from registration.models import Conference, Credit, CreditEntry, HistoryEntry
from registration.sentences import sentence
from registration.services.credit import CreditService
from registration.services.errors import CreditIssuedBefore, RefundError, StaleCredit
from registration.services.verification.run import Ledger
from tests.registration.books import assert_books_agree, make_conference, make_order, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def conference() -> Conference:
    return make_conference(credit_validity_days=365)


@pytest.fixture
def credit(conference: Conference) -> Credit:
    return issue(conference)


def issue(conference: Conference, amount: str = "50.00", reason: str = "Shuttle did not run") -> Credit:
    return CreditService.issue(
        make_user(),
        conference,
        amount=Decimal(amount),
        reason=reason,
        staff_user=make_user("grace"),
        source_order=make_order(conference, "80.00"),
    )


def test_goodwill_carries_actor_reason_and_expiry(credit: Credit) -> None:
    entry = credit.entries.get()

    assert (entry.kind, entry.amount, entry.reason, entry.actor) == (
        CreditEntry.Kind.ISSUED,
        Decimal("50.00"),
        "Shuttle did not run",
        make_user("grace"),
    )
    assert credit.kind == Credit.Kind.GOODWILL
    assert credit.expires_at is not None
    assert sentence(HistoryEntry.objects.get()) == f"{credit.number} issued, $50.00"


def test_each_form_gives_once_and_another_form_gives_again(conference: Conference) -> None:
    gift = {"amount": Decimal("5.00"), "reason": "Sorry", "staff_user": make_user("grace")}
    first = CreditService.issue(make_user(), conference, nonce="form-1", **gift)

    with pytest.raises(CreditIssuedBefore) as before:
        CreditService.issue(make_user(), conference, nonce="form-1", **gift)
    second = CreditService.issue(make_user(), conference, nonce="form-2", **gift)

    assert before.value.credit == first
    assert list(Credit.objects.order_by("pk")) == [first, second]


@pytest.mark.parametrize(("amount", "reason"), [("0", "Why"), ("0.001", "Why"), ("5.00", " ")])
def test_goodwill_needs_an_amount_and_a_reason(conference: Conference, amount: str, reason: str) -> None:
    with pytest.raises(RefundError):
        issue(conference, amount, reason)
    assert not Credit.objects.exists()


def test_adjusting_adds_an_entry_and_never_goes_below_zero(credit: Credit) -> None:
    grace = make_user("grace")

    CreditService.adjust(credit, amount=Decimal("-20.00"), reason="Typed wrong", staff_user=grace)
    with pytest.raises(RefundError, match="less left"):
        CreditService.adjust(credit, amount=Decimal("-30.01"), reason="Typed wrong", staff_user=grace)
    with pytest.raises(RefundError, match="other than zero"):
        CreditService.adjust(credit, amount=Decimal(0), reason="Typed wrong", staff_user=grace)
    emptied = CreditService.adjust(credit, amount=Decimal("-30.00"), reason="All of it", staff_user=grace)

    assert (emptied.status, emptied.remaining_amount) == (Credit.Status.APPLIED, Decimal("0.00"))
    assert CreditService.adjust(credit, amount=Decimal("5"), reason="Back", staff_user=grace).is_spendable


def test_voiding_takes_what_is_left(credit: Credit) -> None:
    voided = CreditService.void(credit, reason="Given by mistake", staff_user=make_user("grace"))

    assert (voided.status, voided.remaining_amount) == (Credit.Status.VOIDED, Decimal("0.00"))
    with pytest.raises(RefundError, match="nothing left to void"):
        CreditService.void(credit, reason="Again", staff_user=make_user("grace"))
    with pytest.raises(RefundError, match="cannot be adjusted"):
        CreditService.adjust(credit, amount=Decimal(1), reason="Back", staff_user=make_user("grace"))


def test_extending_moves_the_end(credit: Credit) -> None:
    later = timezone.now() + timedelta(days=900)

    assert CreditService.extend(credit, expires_at=later, reason="Asked", staff_user=None).expires_at == later
    credit.refresh_from_db()
    assert credit.expires_at == later
    with pytest.raises(RefundError, match="in the future"):
        CreditService.extend(credit, expires_at=timezone.now(), reason="Asked", staff_user=None)


def test_time_ends_a_credit_once(credit: Credit) -> None:
    Credit.objects.update(expires_at=timezone.now())

    assert (CreditService.expire_due(), CreditService.expire_due()) == (1, 0)

    credit.refresh_from_db()
    assert (credit.status, credit.remaining_amount) == (Credit.Status.EXPIRED, Decimal("0.00"))
    entry = credit.entries.get(kind=CreditEntry.Kind.EXPIRED)
    assert (entry.amount, entry.actor) == (Decimal("-50.00"), None)
    assert list(Ledger().findings()) == []


def test_the_orders_timeline_tells_of_each_step(credit: Credit) -> None:
    grace = make_user("grace")
    later = timezone.now() + timedelta(days=900)
    CreditService.adjust(credit, amount=Decimal("-20.00"), reason="Typed wrong", staff_user=grace)
    CreditService.extend(credit, expires_at=later, reason="Asked", staff_user=grace)
    CreditService.void(credit, reason="Given by mistake", staff_user=grace)
    gone = CreditService.issue(
        make_user(),
        credit.conference,
        amount=Decimal("5.00"),
        reason="Sorry",
        staff_user=None,
        source_order=credit.source_order,
    )
    Credit.objects.filter(pk=gone.pk).update(expires_at=timezone.now())
    CreditService.expire_due()

    assert credit.source_order is not None
    assert [sentence(entry) for entry in credit.source_order.history.order_by("position")] == [
        f"{credit.number} issued, $50.00",
        f"grace adjusted {credit.number} by −$20.00: Typed wrong",
        f"grace extended {credit.number}",
        f"{credit.number} voided, $30.00",
        f"{gone.number} issued, $5.00",
        f"{gone.number} expired with $5.00 left",
    ]
    assert_books_agree()


@pytest.mark.trap(25, 43)
def test_the_database_itself_refuses_to_overspend_or_to_rewrite(credit: Credit) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        CreditEntry.objects.create(credit=credit, kind=CreditEntry.Kind.APPLIED, amount=Decimal("-50.01"))
    with pytest.raises(DatabaseError), transaction.atomic():
        credit.entries.update(amount=Decimal("90.00"))
    with pytest.raises(DatabaseError), transaction.atomic():
        credit.entries.all().delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        HistoryEntry.objects.all().delete()

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal("50.00")


def test_saving_a_stale_credit_does_not_bring_money_back(credit: Credit) -> None:
    stale = Credit.objects.get(pk=credit.pk)
    CreditService.adjust(credit, amount=Decimal("-20.00"), reason="Typed wrong", staff_user=None)

    stale.note = "Called on Monday"
    stale.save()

    credit.refresh_from_db()
    assert credit.remaining_amount == Decimal("30.00")


@pytest.mark.trap(7)
def test_one_form_is_one_gift(conference: Conference) -> None:
    gift = {"amount": Decimal("5.00"), "reason": "Late visa letter", "staff_user": None, "nonce": "form-1"}
    first = CreditService.issue(make_user(), conference, **gift)

    with pytest.raises(CreditIssuedBefore) as caught:
        CreditService.issue(make_user(), conference, **gift)

    assert caught.value.credit == first
    assert Credit.objects.count() == 1


@pytest.mark.trap(8)
def test_adjusting_what_changed_meanwhile_is_told(credit: Credit) -> None:
    with pytest.raises(StaleCredit, match=r"\$50\.00 is left now"):
        CreditService.adjust(
            credit, amount=Decimal(1), reason="Typed wrong", staff_user=None, left_seen=Decimal("40.00")
        )
