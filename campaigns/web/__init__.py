"""Monitoring of the web application, the public `archive`, and the live `preview`. Import the last two by name."""

from __future__ import annotations

from campaigns.web.monitoring import FIGURES, Monitoring

__all__ = ["FIGURES", "Monitoring"]
