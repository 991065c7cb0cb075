"""Metrics with prometheus-client. Labels contain no personal data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""The media type of `Metrics.text`."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, with the time of its first value, that nobody asked for


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric measures, and its labels, each with its closed list of values.

    A label without a closed list of values has an empty list. Values never come from a request.
    """

    help: str
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Metrics:
    """The metrics of one process. `counters`, `histograms` (of seconds) and `gauges` list them all by name.

    Every series with known label values exists from the start, at zero.
    """

    def __init__(
        self,
        counters: Mapping[str, Metric],
        histograms: Mapping[str, Metric] | None = None,
        gauges: Mapping[str, Metric] | None = None,
    ) -> None:
        self._registry = CollectorRegistry()
        self._counters = {
            name: Counter(name, metric.help, tuple(metric.labels), registry=self._registry)
            for name, metric in counters.items()
        }
        self._histograms = {
            name: Histogram(name, metric.help, tuple(metric.labels), registry=self._registry)
            for name, metric in (histograms or {}).items()
        }
        self._gauges = {
            name: Gauge(name, metric.help, tuple(metric.labels), registry=self._registry)
            for name, metric in (gauges or {}).items()
        }
        # In the library, finding a series by its labels costs more than counting.
        self._counter_series: dict[tuple[object, ...], Counter] = {}
        self._histogram_series: dict[tuple[object, ...], Histogram] = {}
        for name, metric in counters.items():
            if metric.labels:
                for values in product(*metric.labels.values()):
                    self._counters[name].labels(*values)
        for name, metric in (gauges or {}).items():
            for values in product(*metric.labels.values()):
                self._gauges[name].labels(*values)

    def count(self, name: str, **labels: str) -> None:
        """Increase the counter `name`."""
        key = (name, *labels.items())
        if key not in self._counter_series:
            counter = self._counters[name]
            self._counter_series[key] = counter.labels(**labels) if labels else counter
        self._counter_series[key].inc()

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Record a duration in the histogram `name`."""
        key = (name, *labels.items())
        if key not in self._histogram_series:
            histogram = self._histograms[name]
            self._histogram_series[key] = histogram.labels(**labels) if labels else histogram
        self._histogram_series[key].observe(seconds)

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge `name`."""
        self._gauges[name].labels(**labels).set(value)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
