"""From a release event to a mail that a relay accepted: the commands of a pipeline, with lint on."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

from benchmarks import audience
from benchmarks.bench import Bench
from benchmarks.programs import Finished, mailer, run
from benchmarks.relays import smtp_sink
from benchmarks.report import Goal, Row, Section

_SECONDS = 10.0
_NAMES = ("lint", "create", "approve", "send")
_NOTES = "Faster, and with a planning board.\n\n" + "".join(
    f"## {kind}\n\n"
    + "- **A thing** with `code`, by @user in https://github.com/acme/app/pull/{}\n" * 15
    + "\n"
    for kind in ("Added", "Changed", "Fixed")
).replace("{}", "17")
EVENT = {
    "action": "published",
    "release": {
        "tag_name": "v2.4.0",
        "name": "The planning board",
        "body": _NOTES,
        "published_at": "2026-11-02T10:00:00Z",
        "html_url": "https://github.com/acme/app/releases/tag/v2.4.0",
    },
}


def release(bench: Bench) -> Section:
    """Run the commands of a pipeline some times, each with a campaign of its own."""
    made = audience.make(bench.folder / "release", 1)
    (made.folder / "event.json").write_text(json.dumps(EVENT), encoding="utf-8")
    with smtp_sink() as port:
        extra = {"MAILER_SMTP__PORT": str(port), "MAILER_UNSUBSCRIBE_CHECK": "off"}
        rounds = [
            _announce(made.folder, f"v2.4.{number}", extra) for number in range(max(3, bench.sizes.rounds))
        ]
    totals = [sum(command.seconds for command in commands) for commands in rounds]
    what = "lint, create, approve and send, by the installed command"
    section = Section(
        "From a release event to an accepted mail",
        [Row(what, Goal(_SECONDS, "s", at_most=True), median(totals), totals)],
    )
    section.table(
        ("command", "seconds, median", "seconds of CPU, median"),
        [
            (
                name,
                f"{median(one.seconds for one in column):.2f}",
                f"{median(one.cpu_seconds for one in column):.2f}",
            )
            for name, column in zip(_NAMES, zip(*rounds, strict=True), strict=True)
        ],
    )
    return section


def _announce(folder: Path, slug: str, extra: dict[str, str]) -> list[Finished]:
    """The cost of each command. Raises Failed where one fails."""
    program = mailer()
    lint, create, approve, send = _NAMES
    commands = (
        [lint, "event.json"],
        [create, "event.json", "--slug", slug],
        [approve, slug],
        [send, slug, "--yes", "--json"],
    )
    finished = [run([program, "campaigns", *command], cwd=folder, extra=extra) for command in commands]
    assert json.loads(finished[-1].output)["accepted"] == 1
    return finished
