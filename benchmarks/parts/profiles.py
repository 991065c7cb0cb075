"""Where the time of a sender goes, by cProfile."""

from __future__ import annotations

from benchmarks import inside, relays
from benchmarks.audience import copied
from benchmarks.bench import Bench
from benchmarks.report import Section


def add_profile(bench: Bench, section: Section, engine: str, extra: dict[str, str] | None = None) -> None:
    """Add the profile of one campaign to `section`."""
    bench.say(f"a profile, {engine}")
    path = bench.folder / "profile"
    people = bench.audience(bench.sizes.profiled, engine)
    with relays.smtp_sink() as port, copied(people) as copy:
        seen = inside.look(copy, port, profile=path, extra=extra)
    paths = sorted(bench.folder.glob("profile.*"))
    section.profile(f"Where the time goes, for {seen.messages:,} messages in {seen.seconds:.1f} s", paths)
    for each in paths:
        each.unlink()
