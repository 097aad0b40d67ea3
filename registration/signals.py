"""Signals that other code may listen to."""

from django.dispatch import Signal

order_paid = Signal()
"""An order became fully paid. ``sender=Order``, ``order=…``, ``user=…``; sent once, after the commit."""
