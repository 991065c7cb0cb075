"""Monitoring of the web application: its health, and figures from the database."""

from __future__ import annotations

from campaigns.web.monitoring import FIGURES, Monitoring

__all__ = ["FIGURES", "Monitoring"]
