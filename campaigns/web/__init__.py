"""Monitoring of the web application, and (`preview`) the live preview."""

from __future__ import annotations

from campaigns.web.monitoring import FIGURES, Monitoring

__all__ = ["FIGURES", "Monitoring"]
