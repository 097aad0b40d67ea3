"""Tries to break the promise of the money rules: real processes, every fault, SIGKILL at any moment."""
