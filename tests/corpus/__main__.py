"""`python -m tests.corpus`: read every release of the corpus and print the figures of docs/writing-release-notes.md."""

from __future__ import annotations

from campaigns.notes import Changelog, ReleaseStatus
from mailer.errors import InvalidInput
from tests.corpus.fetch import fetch
from tests.corpus.simple_reader import sections

if __name__ == "__main__":
    files = releases = accepted = agreed = judged = 0
    for path in fetch(600):
        text = path.read_bytes().decode(errors="replace")
        changelog, found = Changelog(text, path.name), sections(text)
        files += bool(changelog.releases)
        for release in changelog.releases:
            if release.status is not ReleaseStatus.RELEASED or not release.body:
                continue
            releases += 1
            try:
                changelog.find(str(release.versions[0]))
            except InvalidInput as refused:
                print(refused.reason)  # noqa: T201
                continue
            accepted += 1
            if found:
                judged += 1
                last = release.first_line - 1 + len(release.body.split("\n"))
                agreed += last in {end for (_, line), end in found.items() if line == release.line}
    print(f"{files} changelogs, {releases:,} releases, {accepted:,} accepted ({accepted / releases:.1%})")  # noqa: T201
    print(f"{judged:,} judged by the simple reader, {judged - agreed} otherwise")  # noqa: T201
