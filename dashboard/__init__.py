"""The web: turns requests into calls on the domain and results into HTML."""
