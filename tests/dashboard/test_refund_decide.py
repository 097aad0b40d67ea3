"""Above the limit the panel proposes, and somebody else decides with the numbers of now before them."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from registration.models import Conference, OpenItem, Order, Payment, Refund
from registration.services.refund import RefundService
from tests.cast import HTMX, client_of, make_order, make_staff, pay
from tests.dashboard.reading import text_of
from tests.dashboard.refund_form import filled, refund_url

pytestmark = pytest.mark.django_db(transaction=True)
State = Refund.State


@pytest.fixture(autouse=True)
def limit(conference: Conference) -> None:
    """Support may refund 10.00 at once."""
    conference.support_refund_limit = Decimal("10.00")
    conference.save()


def propose(client: Client, order: Order, **fields: Any) -> Refund:
    client.post(refund_url(order), filled(order, **fields), headers=HTMX)
    return order.refunds.latest("pk")


@pytest.fixture
def proposal(sam_client: Client, card_order: Order) -> Refund:
    """12.50, proposed by Sam."""
    return propose(sam_client, card_order)


def test_a_proposed_transfer_is_not_sent_to_a_card(
    grace_client: Client, sam_client: Client, conference: Conference, ada: Any
) -> None:
    order = make_order(conference, ada, total="80.00", status=Order.Status.PAID)
    pay(order, "80.00", method=Payment.Method.MANUAL)
    proposal = propose(sam_client, order)

    page = grace_client.get(decide_url(proposal)).content.decode()

    assert "<dt>Send to</dt><dd>By hand</dd>" in page
    assert "Original card" not in page
    assert "€12.50 by hand</b>" in page


def decide_url(refund: Refund) -> str:
    return reverse("refund_decide", args=[refund.pk])


def decide(client: Client, refund: Refund, action: str, **fields: str) -> Any:
    balance = str(Order.objects.get(pk=refund.order_id).refundable_amount)
    return client.post(decide_url(refund), {"action": action, "balance_seen": balance} | fields, headers=HTMX)


def assert_waits(refund: Refund) -> None:
    refund.refresh_from_db()
    assert refund.state == State.AWAITING_APPROVAL


def test_the_button_says_propose(sam_client: Client, card_order: Order) -> None:
    preview = reverse("refund_preview", args=[card_order.reference])

    above = sam_client.post(preview, filled(card_order), headers=HTMX).content.decode()
    below = sam_client.post(preview, filled(card_order, amount="10"), headers=HTMX).content.decode()

    assert "Propose €12.50</button>" in above
    assert "A second person decides" in above
    assert "Refund €10.00</button>" in below
    assert "A second person decides" not in below


def test_a_proposal_is_told_and_its_row_says_so(sam_client: Client, card_order: Order) -> None:
    response = sam_client.post(refund_url(card_order), filled(card_order), headers=HTMX)

    html = response.content.decode()
    assert response["HX-Reswap"] == "none"
    assert "€12.50 waits for approval" in html
    assert "12.50 waits for approval" in html.partition("<template>")[2].partition("</template>")[0]
    assert card_order.refunds.get().state == State.AWAITING_APPROVAL


def test_on_its_own_page_a_decision_draws_the_page_anew(grace_client: Client, proposal: Refund) -> None:
    """Its head offers what was to be decided, and would keep it while the focus is there."""
    url = reverse("refund_detail", args=[proposal.pk])
    balance = str(Order.objects.get(pk=proposal.order_id).refundable_amount)

    response = grace_client.post(
        decide_url(proposal),
        {"action": "approve", "balance_seen": balance},
        headers=HTMX | {"HX-Current-URL": f"http://testserver{url}"},
    )

    assert response["HX-Redirect"] == url
    assert "Decide…" not in grace_client.get(url).content.decode()


def test_without_a_script_a_proposal_leads_to_its_page(sam_client: Client, card_order: Order) -> None:
    page = sam_client.post(refund_url(card_order), filled(card_order), follow=True).content.decode()

    assert "€12.50 waits for approval" in page
    assert "You proposed this refund yourself. A second person must decide." in page
    assert "Withdraw the proposal" in page
    assert "Decide…" not in page


def test_the_second_person_reads_what_would_happen_now(grace_client: Client, proposal: Refund) -> None:
    html = grace_client.get(decide_url(proposal), headers=HTMX).content.decode()

    assert "Sam Gamgee" in html
    assert "Wrote in on Monday" in html
    assert "€12.50 on Visa ending 4242" in html
    assert "<b>€67.50</b>" in html
    assert "€80.00 can be refunded again" in html
    assert "Approve €12.50" in html


def test_approving_sends_it(grace_client: Client, grace: Any, proposal: Refund) -> None:
    response = decide(grace_client, proposal, "approve")

    proposal.refresh_from_db()
    assert response.status_code == 200
    assert "€12.50 refund sent to Stripe" in response.content.decode()
    assert (proposal.state, proposal.decided_by) == (State.SUCCEEDED, grace)
    page = grace_client.get(reverse("refund_detail", args=[proposal.pk])).content.decode()
    assert "Approved by" in page
    assert "Grace Hopper approved €12.50, proposed by Sam Gamgee" in page


def test_rejecting_needs_a_reason(grace_client: Client, proposal: Refund) -> None:
    response = decide(grace_client, proposal, "reject")

    assert response.status_code == 422
    html = response.content.decode()
    assert html.count("Say why it is rejected") == 1
    assert "data-first" not in html  # The field has the focus, not a message above it.
    assert_waits(proposal)


def test_rejecting_says_why_to_whoever_proposed(grace_client: Client, sam_client: Client, proposal: Refund) -> None:
    response = decide(grace_client, proposal, "reject", reason="The ticket was used.")

    proposal.refresh_from_db()
    assert proposal.state == State.REJECTED
    assert "The refund was not approved" in response.content.decode()
    page = sam_client.get(reverse("refund_detail", args=[proposal.pk])).content.decode()
    assert "The ticket was used. No money moved." in page
    assert 'id="retry"' not in page


def test_ones_own_proposal_shows_no_button_and_takes_none(conference: Conference, card_order: Order) -> None:
    lead = make_staff("lead", "Support", conference)
    lead.user_permissions.add(*_permissions("approve_refund"))
    client = client_of(lead)
    refund = propose(client, card_order)

    html = client.get(decide_url(refund), headers=HTMX).content.decode()
    response = decide(client, refund, "approve")

    assert "You proposed this refund yourself. A second person must decide." in html
    assert 'value="approve"' not in html
    assert response.status_code == 422
    assert "A second person must decide." in response.content.decode()
    assert_waits(refund)


@pytest.mark.parametrize("role", ["Support", "Viewer", "Administrator"])
def test_other_roles_cannot_decide(conference: Conference, proposal: Refund, role: str) -> None:
    walker = client_of(make_staff("walker", role, conference))

    assert walker.get(decide_url(proposal)).status_code == 403
    assert decide(walker, proposal, "approve").status_code == 403
    assert_waits(proposal)


def test_a_colleague_of_another_conference_finds_nothing(other_conference: Conference, proposal: Refund) -> None:
    stranger = client_of(make_staff("stranger", "Finance", other_conference))

    assert stranger.get(decide_url(proposal)).status_code == 404
    assert decide(stranger, proposal, "approve").status_code == 404
    assert_waits(proposal)


@pytest.mark.trap(50)
def test_a_balance_that_changed_is_shown_before_anything_is_decided(
    grace_client: Client, card_order: Order, proposal: Refund
) -> None:
    seen = str(Order.objects.get(pk=card_order.pk).refundable_amount)
    RefundService.create_refund(card_order, amount=Decimal("5.00"), destination=Refund.Destination.CARD)

    response = grace_client.post(decide_url(proposal), {"action": "approve", "balance_seen": seen}, headers=HTMX)

    assert response.status_code == 409
    assert "The order changed since you opened this." in response.content.decode()
    assert "<b>€62.50</b>" in response.content.decode()
    assert_waits(proposal)


@pytest.mark.trap(50)
def test_what_is_not_possible_any_more_is_said(grace_client: Client, card_order: Order, proposal: Refund) -> None:
    card_order.payments.update(dispute={"status": "needs_response", "is_charge_refundable": False})

    response = decide(grace_client, proposal, "approve")

    assert response.status_code == 422
    assert "Not refundable: disputed" in response.content.decode()
    assert_waits(proposal)


def test_what_was_decided_meanwhile_is_said(grace_client: Client, conference: Conference, proposal: Refund) -> None:
    decide(client_of(make_staff("george", "Finance", conference, last_name="Boole")), proposal, "approve")

    response = decide(grace_client, proposal, "approve")

    assert response.status_code == 422
    assert "George Boole approved €12.50, proposed by Sam Gamgee" in response.content.decode()
    assert 'value="approve"' not in response.content.decode()
    assert proposal.parts.get().attempts == 1


def test_the_queue_offers_the_decision_to_those_who_may(
    grace_client: Client, sam_client: Client, proposal: Refund
) -> None:
    item = OpenItem.objects.get(kind=OpenItem.Kind.APPROVAL)

    assert f'id="decide-{item.pk}"' in grace_client.get(reverse("attention_list")).content.decode()
    assert "Decide…" not in sam_client.get(reverse("attention_list")).content.decode()


def test_the_row_offers_the_decision_to_those_who_may(
    grace_client: Client, sam_client: Client, card_order: Order, proposal: Refund
) -> None:
    row = reverse("order_row", args=[card_order.reference])

    assert f'hx-get="{decide_url(proposal)}"' in grace_client.get(row).content.decode()
    assert decide_url(proposal) not in sam_client.get(row).content.decode()


def test_a_withdrawn_proposal_gives_the_sum_back(
    sam_client: Client, grace_client: Client, card_order: Order, proposal: Refund
) -> None:
    grace_client.post(reverse("refund_withdraw", args=[proposal.pk]))
    assert_waits(proposal)

    page = sam_client.post(reverse("refund_withdraw", args=[proposal.pk]), follow=True).content.decode()

    card_order.refresh_from_db()
    assert "Proposal withdrawn" in page
    assert card_order.refundable_amount == Decimal("80.00")


def test_without_a_script_the_decision_is_a_page(grace_client: Client, proposal: Refund) -> None:
    page = grace_client.get(decide_url(proposal)).content.decode()
    assert "<html" in page
    assert 'value="approve"' in page

    answer = grace_client.post(decide_url(proposal), {"action": "approve", "balance_seen": "67.50"})
    assert answer.status_code == 302
    proposal.refresh_from_db()
    assert proposal.state == State.SUCCEEDED


def test_an_unknown_decision_changes_nothing(grace_client: Client, proposal: Refund) -> None:
    assert decide(grace_client, proposal, "maybe").status_code == 404
    assert grace_client.post(decide_url(proposal), {"action": "approve"}, headers=HTMX).status_code == 422
    assert_waits(proposal)


def _permissions(*codenames: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=codenames)


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_what_a_colleague_decided_before_is_said_before_anything_is_asked(
    grace_client: Client, proposal: Refund, action: str
) -> None:
    decide(grace_client, proposal, "approve")

    html = decide(grace_client, proposal, action).content.decode()

    assert "This was decided before" in html
    assert "approved €12.50, proposed by Sam Gamgee" in html
    assert "Nothing was decided" not in html
    assert "Say why" not in html


def test_a_proposal_that_was_withdrawn_is_not_said_to_be_rejected(
    grace_client: Client, sam_client: Client, proposal: Refund
) -> None:
    sam_client.post(reverse("refund_withdraw", args=[proposal.pk]))

    html = decide(grace_client, proposal, "approve").content.decode()

    assert "Sam Gamgee withdrew the proposal to refund €12.50" in html
    assert proposal.order.refunds.get().state == State.REJECTED


def test_what_was_withdrawn_is_told_apart_from_what_was_rejected(
    grace_client: Client, sam_client: Client, proposal: Refund
) -> None:
    sam_client.post(reverse("refund_withdraw", args=[proposal.pk]))

    page = text_of(grace_client.get(reverse("refund_detail", args=[proposal.pk])))
    order = text_of(grace_client.get(reverse("order_detail", args=[proposal.order.reference])))

    assert "The proposal was withdrawn" in page
    for text in (page, order):
        assert "not approved" not in text
        assert "Rejected" not in text
        assert "Withdrawn" in text
    for state, found in (("withdrawn", [proposal.pk]), ("rejected", [])):
        rows = grace_client.get(reverse("refund_list"), {"state": state}).context["refunds"].rows
        assert [row["refund"].pk for row in rows] == found
    assert "Withdrawn" in grace_client.get(reverse("refund_export")).getvalue().decode()


def test_a_proposal_withdrawn_in_the_queue_draws_it_anew_and_elsewhere_the_page(
    sam_client: Client, card_order: Order
) -> None:
    def withdraw(page: str) -> Any:
        proposal = propose(sam_client, card_order)
        shown = HTMX | {"HX-Current-URL": f"http://testserver{page}"}
        return sam_client.post(reverse("refund_withdraw", args=[proposal.pk]), {"back": "queue"}, headers=shown)

    in_queue, elsewhere = withdraw(reverse("attention_list")), withdraw(reverse("attention_item", args=[1]))

    assert "waiting:changed" in in_queue["HX-Trigger-After-Settle"]
    assert "Proposal withdrawn" in in_queue.content.decode()
    assert 'id="queues"' in in_queue.content.decode()
    assert elsewhere["HX-Refresh"] == "true"
