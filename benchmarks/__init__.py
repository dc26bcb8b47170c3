"""Benchmarks: `python -m benchmarks` measures, judges the promises and writes RESULTS.md."""
