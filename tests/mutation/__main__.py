"""Run mutation tests: ``python -m tests.mutation [MODULE...]`` for some modules, or all.

Works in a copy of the tree, one mutant at a time. Exit code 1 where a mutant that survivors.md does not explain
is noticed by no test, or where survivors.md explains one that is noticed or does not exist.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutation.mutants import mutants_of
from tests.mutation.targets import TARGETS, Target
from tests.mutation.trial import survivors_of

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
EXPLAINED = HERE / "survivors.md"
_NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "__pycache__")


def main(names: list[str]) -> int:
    """Test each target in a process of its own, for what one has imported the next may mutate."""
    chosen = [target for target in TARGETS if not names or any(name in target.module for name in names)]
    with tempfile.TemporaryDirectory(prefix="mailer-mutation-", dir=_quick_folder()) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's own user must be able to look in
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=_NOT_COPIED)
        environment = os.environ | {"PYTHONPATH": str(copy), "TMPDIR": folder}
        codes = [
            subprocess.run(
                [sys.executable, "-m", "tests.mutation", "--in-place", target.module],
                cwd=copy,
                env=environment,
                check=False,
            ).returncode
            for target in chosen
        ]
    return int(any(codes))


def _quick_folder() -> str | None:
    """In memory where there is such a folder: SQLite waits for a disk at each commit."""
    memory = Path("/dev/shm")  # noqa: S108 - what is made there has a name that nobody can guess
    return str(memory) if memory.is_dir() else None


def try_mutants(target: Target) -> int:
    """Try all mutants of `target` in the working directory; prints those that survive, and the score."""
    total = len(list(mutants_of(Path(target.module).read_text(encoding="utf-8"))))
    explained = explanations(target.module)
    survivors = []
    for mutant in survivors_of(target, on_postgresql="MUTATION_QUICK" not in os.environ):
        survivors.append(mutant.change)
        known = "explained" if mutant.change in explained else "NOT EXPLAINED"
        _say(f"{target.module}:{mutant.line}: {mutant.change} [{known}]")
    stale = sorted(explained.difference(survivors))
    for change in stale:
        _say(f"{target.module}: explained, but noticed or gone: {change}")
    unexplained = [change for change in survivors if change not in explained]
    _say(
        f"{target.module}: {total} mutants, {total - len(survivors)} noticed, "
        f"{len(survivors) - len(unexplained)} explained, {len(unexplained)} not explained"
    )
    return int(bool(unexplained or stale))


def explanations(module: str) -> set[str]:
    """The changes of `module` that survivors.md explains: its list items below the module's heading."""
    found, heading = set(), ""
    for line in EXPLAINED.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ").strip()
        elif line.startswith("- ") and heading == module:
            found.add(line.removeprefix("- "))
    return found


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--in-place"]:
        [wanted] = [target for target in TARGETS if target.module == arguments[1]]
        sys.exit(try_mutants(wanted))
    sys.exit(main(arguments))
