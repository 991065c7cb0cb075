"""Tell the history of a seed: python -m tests.simulation SEED [WALL], WALL being one to knock out."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from tests.simulation.history import BrokenPromise, History, Template
from tests.simulation.walls import Wall, knock_out


def main() -> None:
    seed, *walls = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for wall in walls:
            knock_out(Wall(wall), patch)
        template = Template(Path(folder) / "mailer.db")
        history = History(template, int(seed))
        try:
            history.run()
            end = "The promise holds."
        except BrokenPromise as broken:
            end = str(broken)
        template.simulated.close()
    sys.stdout.write("\n".join([*history.log, end, ""]))
    sys.exit(end != "The promise holds.")


main()
