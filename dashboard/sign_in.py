"""The form to sign in with."""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _


class LoginForm(AuthenticationForm):
    """Takes a user name or the email address of exactly one account."""

    username = forms.CharField(label=_("Email or user name"), max_length=254)

    error_messages = {
        "invalid_login": _("Check the name and the password; passwords are case-sensitive."),
        "inactive": _("This account is switched off."),
    }

    def clean_username(self) -> str:
        """Return the user name that an email address stands for; two accounts with one address sign in by name."""
        given = str(self.cleaned_data["username"])
        if "@" not in given:
            return given
        manager = get_user_model()._default_manager
        if manager.filter(username=given).exists():
            return given
        names = manager.filter(email__iexact=given, is_active=True).values_list("username", flat=True)[:2]
        return str(names[0]) if len(names) == 1 else given


def tries_left(request: HttpRequest, form: AuthenticationForm) -> int:
    """How often a password may still be wrong before signing in is paused; 0 when none was tried.

    Says the same of a name that nobody has.
    """
    if not form.non_field_errors():
        return 0
    wrong: int = AxesProxyHandler.get_failures(request, {"username": form.cleaned_data["username"]})
    return max(0, int(settings.AXES_FAILURE_LIMIT) - wrong)
