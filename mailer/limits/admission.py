"""What a delivery asks of the limits, and their answers."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class AdmissionRequest(NamedTuple):
    """A delivery through `relay` to an address at `domain` asks for admission.

    `has_place`: the delivery has a place in the provider's queue, which is due about now.
    """

    delivery_id: int
    relay: str
    domain: str | None
    has_place: bool = False


class Reservation(NamedTuple):
    """The delivery is admitted, not before `at`."""

    at: datetime


class RelayFull(NamedTuple):
    """The relay's limits allow nothing more before `until`."""

    until: datetime


class ProviderFull(NamedTuple):
    """The provider's limits allow nothing more now. The delivery asks again at `until`.

    `has_place`: it then has a place in the provider's queue.
    """

    until: datetime
    has_place: bool


Admission = Reservation | RelayFull | ProviderFull
