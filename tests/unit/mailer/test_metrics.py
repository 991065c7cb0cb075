"""Counters in Prometheus' text format."""

from __future__ import annotations

from mailer.observability import Metrics


def test_counters_are_told_with_their_help_and_type() -> None:
    metrics = Metrics({"mails_total": "Mails.", "bells_total": "Bells."})
    metrics.count("mails_total", door="page", status="200")
    metrics.count("mails_total", door="page", status="200")
    metrics.count("mails_total", door="one-click", status="200")
    metrics.count("bells_total")
    assert metrics.text().splitlines() == [
        "# HELP mails_total Mails.",
        "# TYPE mails_total counter",
        'mails_total{door="one-click",status="200"} 1',
        'mails_total{door="page",status="200"} 2',
        "# HELP bells_total Bells.",
        "# TYPE bells_total counter",
        "bells_total{} 1",
    ]


def test_a_counter_that_never_counted_is_still_described() -> None:
    assert (
        Metrics({"mails_total": "Mails."}).text() == "# HELP mails_total Mails.\n# TYPE mails_total counter\n"
    )
