"""Counters and histograms in Prometheus' text format."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mailer.observability import Metric, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_counters_count_by_their_labels() -> None:
    metrics = Metrics(
        {"mails_total": Metric("Mails.", {"channel": (), "status": ()}), "bells_total": Metric("Bells.")}
    )
    for channel in ("page", "page", "one_click"):
        metrics.count("mails_total", channel=channel, status="200")
    metrics.count("bells_total")
    assert samples(metrics) == {
        ("mails_total", (("channel", "one_click"), ("status", "200"))): 1,
        ("mails_total", (("channel", "page"), ("status", "200"))): 2,
        ("bells_total", ()): 1,
    }


def test_every_known_series_is_there_from_the_start() -> None:
    metrics = Metrics(
        {"mails_total": Metric("Mails.", {"channel": ("page", "api")}), "bells_total": Metric("B.")}
    )
    assert samples(metrics) == {
        ("mails_total", (("channel", "page"),)): 0,
        ("mails_total", (("channel", "api"),)): 0,
        ("bells_total", ()): 0,
    }


def test_a_histogram_has_the_number_and_the_sum_of_seconds() -> None:
    metrics = Metrics({}, {"answer_seconds": Metric("Seconds.", {"route": ()})})
    for seconds in (0.004, 0.4):
        metrics.observe("answer_seconds", seconds, route="page")
    found = samples(metrics)
    assert found["answer_seconds_count", (("route", "page"),)] == 2
    assert found["answer_seconds_sum", (("route", "page"),)] == pytest.approx(0.404)
    assert found["answer_seconds_bucket", (("le", "0.005"), ("route", "page"))] == 1


def test_a_label_that_was_not_declared_is_an_error() -> None:
    metrics = Metrics({"mails_total": Metric("Mails.", {"channel": ()})})
    with pytest.raises(ValueError, match="label"):
        metrics.count("mails_total", email="zoe@example.org")
