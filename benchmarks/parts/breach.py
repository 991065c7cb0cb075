"""The documents of a breach of the large audience's database."""

from __future__ import annotations

import shutil

from benchmarks import programs
from benchmarks.bench import Bench
from benchmarks.processes import Watch
from benchmarks.report import Goal, Row, Section


def breach(bench: Bench) -> Section:
    """All documents, by the installed command."""
    people = bench.audience(bench.sizes.large)
    command = [
        programs.mailer(),
        "privacy",
        "breach",
        "--since",
        "2025-01-01",
        "--output",
        "breach",
        "--json",
    ]
    done = programs.run(command, cwd=people.folder, watch=Watch())
    shutil.rmtree(people.folder / "breach")
    section = Section("The documents of a breach")
    what = f"all documents of a breach that concerns {people.people:,} people"
    section.rows += [
        Row(what, Goal(60, "s", at_most=True), done.seconds),
        Row(f"{what}: peak memory", Goal(150, "MB", at_most=True), done.peak_bytes / 1e6),
    ]
    section.lines.append(f"{done.cpu_seconds:.1f} s of CPU.")
    return section
