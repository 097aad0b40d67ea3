"""Whole actions on the books; every write to money goes through here."""
