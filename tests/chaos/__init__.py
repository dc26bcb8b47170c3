"""Faults on a real broker, and what is left of calls, verdicts and windows afterwards. See `tests.chaos.__main__`."""
