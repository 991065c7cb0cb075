"""The live preview of a note of 100 KB: how long until it is first seen, and until a saved change is seen."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx

from benchmarks.bench import Bench
from benchmarks.report import Section

NOTE_BYTES = 100_000
SAVES = 5


def preview(bench: Bench) -> Section:
    """Start the command, open its page, and save the file some times."""
    firsts, reloads = zip(*(_measure() for _ in range(bench.sizes.rounds)), strict=True)
    section = Section("The live preview of a note of 100 KB")
    section.table(
        ("what is waited for", "seconds, median", "goal"),
        [
            ("from the page's address to its mail, text and headers", f"{median(firsts):.2f}", "1.00"),
            ("from a saved file to the changed mail, text and headers", f"{median(reloads):.2f}", "0.50"),
        ],
    )
    return section


def _measure() -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "notes.md")
        file.write_text(_note(0), encoding="utf-8")
        mailer = str(Path(sys.executable).with_name("mailer"))
        command = [mailer, "campaigns", "preview", str(file), "--serve", "--no-open"]
        with subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as served:
            assert served.stdout is not None
            url = served.stdout.readline().strip()
            try:
                with httpx.Client(timeout=60) as client:
                    return _watch(client, url, file)
            finally:
                served.send_signal(signal.SIGINT)


def _watch(client: httpx.Client, url: str, file: Path) -> tuple[float, float]:
    began = time.monotonic()
    page = str(client.get(url, follow_redirects=True).url)
    _see(client, page, 0)
    first = time.monotonic() - began
    reloads = []
    with client.stream("GET", f"{page}events") as events:
        lines = events.iter_lines()
        next(lines)  # from here on changes are told
        for number in range(1, SAVES + 1):
            began = time.monotonic()
            file.write_text(_note(number), encoding="utf-8")
            next(line for line in lines if line == "event: change")
            _see(client, page, number)
            reloads.append(time.monotonic() - began)
    return first, median(reloads)


def _see(client: httpx.Client, page: str, number: int) -> None:
    assert f"Note {number}" in client.get(f"{page}state").json()["text"]
    assert f"Note {number}" in client.get(f"{page}mail").text


def _note(number: int) -> str:
    item = (
        "- **A thing.** With `code`, a [link](https://acme.example/page) and words that go on for a while.\n"
    )
    begun = f"# Note {number}\n\nNote {number} begins here.\n\n"
    return begun + "".join(
        f"\n### Part {part}\n\n{item * 20}" for part in range((NOTE_BYTES - 2_000) // (20 * len(item) + 20))
    )
