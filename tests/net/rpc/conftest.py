"""Hypothesis finds the same examples every time: a failure is seen again by running the test again."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
