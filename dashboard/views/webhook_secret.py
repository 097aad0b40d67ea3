"""The webhook's secret: administrators change it here, and nobody reads it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.access import current_conference, requires
from dashboard.attention.stripe_events import ROTATE, secret_context
from dashboard.forms.webhook_secret import SecretForm
from registration.services.errors import RefundError
from registration.services.webhook_secrets import end_old_secret, rotate_webhook_secret


@requires(ROTATE)
@require_http_methods(["GET", "HEAD", "POST"])
def webhook_secret(request: HttpRequest) -> HttpResponse:
    """Show how the webhook is set up; on submit, take a new secret."""
    conference = current_conference(request)
    form = SecretForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            rotate_webhook_secret(
                conference, secret=form.cleaned_data["secret"], overlap=form.overlap(), staff_user=request.user
            )
        except RefundError as error:
            form.add_error("secret", error.sentence)
        else:
            messages.success(request, _("The new secret counts from now on."))
            return redirect("webhook_secret")
    context = secret_context(request, conference, form)
    return render(request, "dashboard/stripe_events/secret.html", context, status=422 if form.errors else 200)


@requires(ROTATE)
@require_POST
def webhook_secret_end(request: HttpRequest) -> HttpResponse:
    """Let only the newest secret count from now on."""
    end_old_secret(current_conference(request), staff_user=request.user)
    messages.success(request, _("Only the newest secret counts now."))
    return redirect("webhook_secret")
