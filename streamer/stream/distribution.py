"""A histogram for what a whole batch came to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping

from prometheus_client.core import HistogramMetricFamily


class Distribution:
    """A histogram that takes a whole batch at once: a library's `observe` for each verdict costs as much as judging it."""

    def __init__(self, name: str, documentation: str, buckets: tuple[float, ...]) -> None:
        self._name = name
        self._documentation = documentation
        self._edges = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0

    def observe(self, values: Mapping[float, int]) -> None:
        """Count values, each as often as it says."""
        for value, n in values.items():
            self._counts[bisect_left(self._edges, value)] += n
            self._sum += value * n

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What prometheus-client asks of a collector."""
        total, rows = 0, []
        for edge, count in zip((*map(str, self._edges), "+Inf"), list(self._counts), strict=True):
            total += count
            rows.append((edge, total))
        yield HistogramMetricFamily(self._name, self._documentation, buckets=rows, sum_value=self._sum)
