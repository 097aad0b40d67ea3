"""The desk's addresses and, beside them, the yardsticks: the least and what one would build in an hour."""

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.template import Context, Engine
from django.urls import path

from dashboard.urls import handler403, handler404, handler500
from dashboard.urls import urlpatterns as desk
from registration.models import Conference, Order
from tools.bench.yardstick import site

__all__ = ["handler403", "handler404", "handler500"]

ROWS = Engine().from_string(
    "<table>{% for o in orders %}<tr><td>{{ o.reference }}<td>{{ o.billing_name }}<td>{{ o.total }}"
    "<td>{{ o.paid_amount }}<td>{{ o.refundable_amount }}<td>{{ o.status }}<td>{{ o.created_at }}{% endfor %}</table>"
)


def floor(request: HttpRequest) -> HttpResponse:
    """The 25 newest orders of the conference through a plain template: sign-in, one query, no design."""
    # By conference, as the list has it: without, no index leads to the newest, and the yardstick would sort them all.
    orders = Order.objects.filter(conference=_conference()).order_by("-created_at", "-id")[:25]
    return HttpResponse(ROWS.render(Context({"orders": orders})))


@lru_cache(maxsize=1)
def _conference() -> int:
    """The season has one, which the list takes from the session."""
    return Conference.objects.get().pk


urlpatterns = [*desk, path("bench/floor/", floor), path("bench/admin/", site.urls)]
