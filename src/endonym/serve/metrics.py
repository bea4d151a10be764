"""Figures of the running server in the text format of Prometheus."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from endonym.serve.limits import Scope
from endonym.serve.scheduler import Scheduler

COUNTED = {
    "prompt_tokens": "Tokens of prompts that were read",
    "generated_tokens": "Tokens that were generated",
    "ended": "Sequences that came to their end",
    "cancelled": "Sequences whose client went away",
    "refused": "Sequences that found the queue full",
    "failed": "Sequences that an error or the end of the server cut off",
}
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Metrics:
    """Counts requests, and asks the schedulers for the rest."""

    def __init__(self, schedulers: Mapping[str, Scheduler]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "endonym_requests", "Requests", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "endonym_first_byte_seconds",
            "From a request's head to the head of its answer",
            ["path"],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._registry.register(_Schedulers(schedulers))

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer. Paths that no route has are one."""
        path = getattr(scope.get("route"), "path", "other")
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def text(self) -> bytes:
        """All figures."""
        return generate_latest(self._registry)


class _Schedulers(Collector):
    """What schedulers have counted by themselves."""

    def __init__(self, schedulers: Mapping[str, Scheduler]) -> None:
        self._schedulers = schedulers

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """One family for each figure."""
        for name, meaning in COUNTED.items():
            family = CounterMetricFamily(f"endonym_{name}", meaning, labels=["model"])
            for model, each in self._schedulers.items():
                family.add_metric([model], getattr(each.counts, name))
            yield family
        for name in ("active", "waiting"):
            meaning = f"Sequences that are {'computed' if name == 'active' else 'queued'} now"
            gauge = GaugeMetricFamily(f"endonym_{name}_sequences", meaning, labels=["model"])
            for model, each in self._schedulers.items():
                gauge.add_metric([model], getattr(each, name))
            yield gauge
