"""Metrics for monitoring systems, without personal data."""

from __future__ import annotations

from mailer.observability.metrics import CONTENT_TYPE, Metric, Metrics

__all__ = ["CONTENT_TYPE", "Metric", "Metrics"]
