"""What a person sees when something is not allowed, not there or broken."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template import loader
from django.utils.translation import gettext as _

from dashboard.views.account import came_from


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say who is signed in, what is missing and that nothing was changed."""
    asked = request.resolver_match.kwargs if request.resolver_match else {}
    context = {"exception": str(exception), "reference": asked.get("reference", "")}
    return render(request, "403.html", context, status=403)


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
