"""Prometheus exposition of the counters that parts expose by `statistics()`; no part imports it."""
