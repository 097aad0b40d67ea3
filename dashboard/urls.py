"""Every address of the desk."""

from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from dashboard.views import (
    account,
    attendees,
    attention,
    comparisons,
    credits,
    decisions,
    health,
    live,
    orders,
    overview,
    refunds,
    selection,
    stripe_events,
)
from registration import webhooks

handler403 = "dashboard.views.errors.forbidden"
handler404 = "dashboard.views.errors.not_found"
handler500 = "dashboard.views.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="order_list"), name="home"),
    path("orders/", orders.order_list, name="order_list"),
    path("orders/export/", orders.order_export, name="order_export"),
    path("orders/selection/", selection.order_selection, name="order_selection"),
    path("changes/", live.changes, name="changes"),
    path("orders/<str:reference>/", orders.order_detail, name="order_detail"),
    path("orders/<str:reference>/row/", orders.order_row, name="order_row"),
    path("orders/<str:reference>/menu/", orders.order_menu, name="order_menu"),
    path("orders/<str:reference>/refunds/new/", refunds.refund_create, name="refund_create"),
    path("orders/<str:reference>/refunds/preview/", refunds.refund_preview, name="refund_preview"),
    path("orders/<str:reference>/credits/apply/", credits.credit_apply, name="credit_apply"),
    path("orders/<str:reference>/notes/new/", orders.note_create, name="note_create"),
    path("refunds/", refunds.refund_list, name="refund_list"),
    path("refunds/<int:pk>/", refunds.refund_detail, name="refund_detail"),
    path("refunds/<int:pk>/check/", refunds.refund_check, name="refund_check"),
    path("refunds/<int:pk>/decide/", decisions.refund_decide, name="refund_decide"),
    path("refunds/<int:pk>/withdraw/", decisions.refund_withdraw, name="refund_withdraw"),
    path("refunds/<int:pk>/undo/", decisions.refund_undo, name="refund_undo"),
    path("refunds/<int:pk>/send/", decisions.refund_send, name="refund_send"),
    path("refunds/parts/<int:pk>/confirm/", refunds.manual_confirm, name="manual_confirm"),
    path("attention/", attention.attention_list, name="attention_list"),
    path("attention/<int:pk>/", attention.attention_item, name="attention_item"),
    path("attention/<int:pk>/settle/", attention.attention_settle, name="attention_settle"),
    path("credits/", credits.credit_list, name="credit_list"),
    path("credits/<int:pk>/", credits.credit_detail, name="credit_detail"),
    path("credits/<int:pk>/adjust/", credits.credit_adjust, name="credit_adjust"),
    path("credits/<int:pk>/extend/", credits.credit_extend, name="credit_extend"),
    path("credits/<int:pk>/void/", credits.credit_void, name="credit_void"),
    path("overview/", overview.overview, name="overview"),
    path("attendees/search/", attendees.attendee_search, name="attendee_search"),
    path("attendees/<int:pk>/", attendees.attendee_detail, name="attendee_detail"),
    path("attendees/<int:pk>/credits/new/", credits.credit_issue, name="credit_issue"),
    path("conferences/<slug:slug>/switch/", account.conference_switch, name="conference_switch"),
    path("login/", account.login, name="login"),
    path("logout/", account.logout, name="logout"),
    path("theme/", account.theme_set, name="theme_set"),
    path("language/", account.language_set, name="language_set"),
    path("stripe/events/", stripe_events.event_list, name="event_list"),
    path("stripe/events/<int:pk>/", stripe_events.event_detail, name="event_detail"),
    path("stripe/events/<int:pk>/replay/", stripe_events.event_replay, name="event_replay"),
    path("stripe/comparison/", comparisons.comparison, name="comparison"),
    path("stripe/comparison/start/", comparisons.comparison_start, name="comparison_start"),
    path("stripe/comparison/progress/", comparisons.comparison_progress, name="comparison_progress"),
    path("stripe/comparison/repair/", comparisons.comparison_repair, name="comparison_repair"),
    path("stripe/comparison/differences/<int:pk>/repair/", comparisons.difference_repair, name="difference_repair"),
    path("stripe/webhooks/<slug:slug>/", webhooks.receive, name="stripe_webhook"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
