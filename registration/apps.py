"""The registration app."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate
from django.utils.translation import gettext_lazy as _


class RegistrationConfig(AppConfig):
    """Domain of orders, payments, refunds and credits."""

    name = "registration"
    verbose_name = _("Registration")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Keep the balance triggers in step with the tables, and check the Stripe settings at start."""
        from registration import checks, roles, triggers

        connection_created.connect(triggers.teach_folding, sender=None, dispatch_uid="registration.teach_folding")
        pre_migrate.connect(triggers.before_migrate, sender=self)
        post_migrate.connect(triggers.after_migrate, sender=self)
        post_migrate.connect(roles.after_migrate, sender=self)
        checks.register_checks()
