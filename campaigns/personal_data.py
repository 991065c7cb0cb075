"""The packages outside `subscribers.rights` that hold personal data; `cli.py` and `web.py` attach them to the database."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.deliveries import DeliveryHolder
from subscribers.account import StoredAnswers
from subscribers.personal_data import PersonalDataHolder


def holders() -> Sequence[PersonalDataHolder]:
    """All of them. What `subscribers.rights` reads and erases itself is in `OWN_TABLES`, in `subscribers.personal_data`."""
    return DeliveryHolder(), StoredAnswers()
