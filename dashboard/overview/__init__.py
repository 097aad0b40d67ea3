"""The overview: its figures and plots."""
