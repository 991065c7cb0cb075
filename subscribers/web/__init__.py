"""The pages for recipients, and the one-click endpoint for mail providers."""

from __future__ import annotations

from subscribers.web.answers import ROBOTS, PageServices, token_of
from subscribers.web.confirm import ConfirmEndpoint
from subscribers.web.language import preferred_locale
from subscribers.web.ledger_key import ledger_key_route
from subscribers.web.own_data import OwnDataEndpoint
from subscribers.web.privacy_notice import PATH as PRIVACY_PATH
from subscribers.web.privacy_notice import PrivacyNoticeEndpoint
from subscribers.web.signup import SignUpEndpoint
from subscribers.web.unsubscribe import (
    COUNTED,
    UNKNOWN_LINK,
    UNKNOWN_LINK_STATUS,
    UnsubscribeEndpoint,
)

__all__ = [
    "COUNTED",
    "PRIVACY_PATH",
    "ROBOTS",
    "UNKNOWN_LINK",
    "UNKNOWN_LINK_STATUS",
    "ConfirmEndpoint",
    "OwnDataEndpoint",
    "PageServices",
    "PrivacyNoticeEndpoint",
    "SignUpEndpoint",
    "UnsubscribeEndpoint",
    "ledger_key_route",
    "preferred_locale",
    "token_of",
]
