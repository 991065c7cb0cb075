"""The parts of the suite. Each measures one subject, beside its peers in turns, and reports the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.parts.account_api import consents
from benchmarks.parts.account_box import box
from benchmarks.parts.breach import breach
from benchmarks.parts.engines import postgresql, sqlite
from benchmarks.parts.large import large
from benchmarks.parts.model import model
from benchmarks.parts.preview import preview
from benchmarks.parts.real_relays import other_relays, postfix
from benchmarks.parts.release import release
from benchmarks.parts.round_trips import round_trips
from benchmarks.parts.signing import signed
from benchmarks.parts.slow_disk import slow_disk
from benchmarks.parts.small import small
from benchmarks.parts.start_up import start_up
from benchmarks.parts.unsubscribing import unsubscribing
from benchmarks.report import Section


@dataclass(frozen=True, slots=True)
class Part:
    """One part. `name` is what --only takes; `seconds` and `quick_seconds` are about how long it takes on two cores."""

    name: str
    measure: Callable[[Bench], Section]
    seconds: int
    quick_seconds: int


# What the goals of sending and docs/scaling.md need. `large` uses up the large audience, so `breach` comes before it.
SENDING = (
    Part("start-up", start_up, 25, 10),
    Part("sqlite", sqlite, 140, 15),
    Part("postgresql", postgresql, 240, 20),
    Part("signed", signed, 130, 25),
    Part("round-trips", round_trips, 75, 30),
    Part("postfix", postfix, 90, 10),
    Part("slow-disk", slow_disk, 50, 5),
    Part("breach", breach, 60, 5),
    Part("large", large, 330, 15),
    Part("small", small, 15, 10),
    Part("model", model, 30, 10),
)
OTHERS = (
    Part("unsubscribe", unsubscribing, 60, 5),
    Part("api", consents, 40, 5),
    Part("account-box", box, 150, 20),
    Part("preview", preview, 20, 5),
    Part("release", release, 25, 15),
    Part("other-relays", other_relays, 60, 5),
)
PARTS = (*SENDING, *OTHERS)
