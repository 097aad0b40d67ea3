"""What a person sees when something is not allowed, not there or broken."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.views.account import came_from

ABILITIES = {
    "view_order": gettext_lazy("find orders and read what happened to them"),
    "view_credit": gettext_lazy("look up credit"),
    "refund_order": gettext_lazy("refund"),
    "apply_credit": gettext_lazy("apply credit"),
    "issue_credit": gettext_lazy("give credit"),
    "approve_refund": gettext_lazy("decide about what colleagues propose"),
    "export_orders": gettext_lazy("export"),
    "view_overview": gettext_lazy("see the overview"),
    "view_books": gettext_lazy("see the books"),
    "view_stripeevent": gettext_lazy("look after Stripe's events"),
    "change_conference": gettext_lazy("change settings"),
}
"""What each permission lets somebody do, as the end of *You can …*."""


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say who is signed in, what is missing and that nothing was changed."""
    asked = request.resolver_match.kwargs if request.resolver_match else {}
    can = [str(text) for name, text in ABILITIES.items() if request.user.has_perm(f"registration.{name}")]
    context = {"exception": str(exception), "reference": asked.get("reference", ""), "can": _listed(can)}
    return render(request, "403.html", context, status=403)


def _listed(things: list[str]) -> str:
    if len(things) < 2:
        return "".join(things)
    return _("%(most)s and %(last)s") % {"most": ", ".join(things[:-1]), "last": things[-1]}


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is nothing here, whether it never was or belongs to others."""
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer without context: the database may be what is broken."""
    return HttpResponse(loader.get_template("500.html").render(), status=500)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Say that the page was too old; one that htmx holds is reloaded, so that its next form is fresh."""
    if not request.headers.get("HX-Request"):
        return render(request, "403_csrf.html", {"back": came_from(request)}, status=403)
    messages.warning(request, _("This page was open too long.\nNothing was changed. Try again."))
    return HttpResponse(status=403, headers={"HX-Refresh": "true"})


def locked_out(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
    """Say that signing in is closed for a while after too many wrong passwords."""
    return render(request, "dashboard/account/locked.html", status=429)
