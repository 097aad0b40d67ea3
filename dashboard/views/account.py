"""Signing in and out, theme and language, and which conference is on the desk."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from dashboard.access import SESSION_KEY
from dashboard.sign_in import LoginForm, tries_left
from registration.models import Conference
from registration.services.preferences import keep_language, keep_single_keys, language_of, uses_single_keys

THEMES = ("light", "dark")
KEYS_SESSION_KEY = "single_keys"
YEAR_SECONDS = 365 * 24 * 3600


class Login(LoginView):
    """Sign in by user name or email; a page that htmx asked for is never put into another page."""

    form_class = LoginForm
    template_name = "dashboard/account/login.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Send a page whose session ended to sign in as a whole, and back to where it was afterwards."""
        if request.headers.get("HX-Request") and not request.user.is_authenticated:
            return HttpResponseClientRedirect(f"{resolve_url('login')}?{urlencode({'next': _page_of(request)})}")
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Bring along what the user chose before, so that no page has to look it up."""
        response = super().form_valid(form)
        self.request.session[KEYS_SESSION_KEY] = uses_single_keys(form.get_user())
        if language := language_of(form.get_user()):
            _speak(self.request, response, language)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the form again as the error it is, with how often it may still be wrong."""
        context = self.get_context_data(form=form, tries_left=tries_left(self.request, form))
        return self.render_to_response(context, status=422)


login = login_not_required(Login.as_view())
logout = login_not_required(LogoutView.as_view())


@require_POST
def conference_switch(request: HttpRequest, slug: str) -> HttpResponseRedirect:
    """Put another conference on the desk."""
    conferences: Any = Conference.objects.visible_to(request.user)
    request.session[SESSION_KEY] = get_object_or_404(conferences, slug=slug).slug
    return HttpResponseRedirect(resolve_url("order_list"))


@login_not_required
@require_POST
def theme_set(request: HttpRequest) -> HttpResponse:
    """Remember light or dark; anything else follows the system again."""
    response = redirect(came_from(request))
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        _remember(request, response, "theme", theme)
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response


@login_not_required
@require_POST
def language_set(request: HttpRequest) -> HttpResponse:
    """Remember a language, here and wherever the user signs in; anything else follows the browser again."""
    response = redirect(came_from(request))
    language = request.POST.get("language", "")
    language = language if language in dict(settings.LANGUAGES) else ""
    if request.user.is_authenticated:
        keep_language(request.user, language)
    _speak(request, response, language)
    return response


@require_POST
def keys_set(request: HttpRequest) -> HttpResponse:
    """Switch shortcuts of a single key on or off, here and wherever the user signs in from now on."""
    single_keys = "single_keys" in request.POST
    keep_single_keys(request.user, single_keys=single_keys)
    request.session[KEYS_SESSION_KEY] = single_keys
    return HttpResponse(status=204) if request.headers.get("HX-Request") else redirect(came_from(request))


def _speak(request: HttpRequest, response: HttpResponse, language: str) -> None:
    if language:
        _remember(request, response, settings.LANGUAGE_COOKIE_NAME, language)
    else:
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, samesite="Lax")


def _remember(request: HttpRequest, response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR_SECONDS, httponly=True, samesite="Lax", secure=request.is_secure())


def came_from(request: HttpRequest) -> str:
    """The page whose form this is."""
    return _safe(request, request.POST.get("next") or _address(urlsplit(request.headers.get("Referer", ""))))


def _page_of(request: HttpRequest) -> str:
    """The path of the page the browser shows, which is not the path htmx asked for."""
    return _safe(request, _address(urlsplit(request.headers.get("HX-Current-URL", ""))))


def _address(parts: SplitResult) -> str:
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _safe(request: HttpRequest, address: str) -> str:
    hosts = {request.get_host()}
    allowed = url_has_allowed_host_and_scheme(address, hosts, require_https=request.is_secure())
    return address if allowed else resolve_url("order_list")
