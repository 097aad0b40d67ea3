"""By which way a refund goes back, where its destination alone would name a card that is not there."""

from __future__ import annotations

from collections.abc import Collection

from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from registration.models import Refund, RefundPart

Channel = RefundPart.Channel
BY_HAND = str(Channel.MANUAL)
BESIDE = "+"
WORDS = {
    str(Channel.STRIPE): gettext_lazy("card"),
    str(Channel.CREDIT_RETURN): gettext_lazy("store credit"),
    BY_HAND: gettext_lazy("by hand"),
}


def channel_fact(destination: str, channels: Collection[str]) -> dict[str, str]:
    """What the history keeps of the channels of a refund that goes back as it was paid, some of it by hand."""
    if destination != Refund.Destination.CARD or BY_HAND not in channels:
        return {}
    return {"channel": BESIDE.join(each for each in WORDS if each in channels)}


def channels_in_words(fact: str) -> str:
    """``card and by hand``; empty where the destination says it all, as for what was written before this was kept."""
    return _(" and ").join(str(WORDS[each]) for each in fact.split(BESIDE) if each in WORDS)


def way_of(refund: Refund) -> str:
    """Where a refund goes. Reads ``refund.parts``."""
    fact = channel_fact(refund.destination, {part.channel for part in refund.parts.all()})
    return capfirst(channels_in_words(fact.get("channel", ""))) or str(refund.get_destination_display())
