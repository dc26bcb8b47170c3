"""One script a peer: each reads call set-ups, counts its callers, and sends a decision for every call.

The scripts run as processes of their own, some in an environment of their own; they share `work.py` and know their task
from the variable BENCHMARK_TASK.
"""
