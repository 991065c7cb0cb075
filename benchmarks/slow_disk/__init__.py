"""A disk whose fsync is slow: a library that is loaded before all others into one program, compiled at run time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import PYTHON, Failed, find, run

SOURCE = Path(__file__).with_name("slow_fsync.c")
# Prints the milliseconds of a call.
_TRY = """
import os, sys, time
file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
began = time.perf_counter()
for _ in range(3):
    os.fsync(file)
    os.fdatasync(file)
print((time.perf_counter() - began) * 1000 / 6)
"""


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """The compiled library. The programs that it is loaded into count their calls in one file."""

    library: Path
    milliseconds: float
    counter: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes the disk slow for one program and its children."""
        return {
            "LD_PRELOAD": str(self.library),
            "SLOW_FSYNC_MICROSECONDS": str(round(self.milliseconds * 1000)),
            "SLOW_FSYNC_COUNTER": str(self.counter),
        }

    def calls(self) -> int:
        """How many calls were delayed since the last time."""
        count = int.from_bytes(self.counter.read_bytes()[:8], "little")
        self.counter.write_bytes(bytes(8))
        return count

    def check(self) -> float:
        """The milliseconds that a call of fsync or fdatasync takes. Raises Failed where calls are not counted or delayed."""
        self.calls()
        told = run([PYTHON, "-S", "-c", _TRY, self.library.with_name("tried")], extra=self.environment).output
        milliseconds, calls = float(told), self.calls()
        if calls != 6 or milliseconds < self.milliseconds:
            raise Failed(
                f"The disk is not slow: of 6 calls {calls} were delayed, {milliseconds:.1f} ms each."
            )
        return milliseconds


def slow_disk(folder: Path, milliseconds: float) -> SlowDisk:
    """Compile the library into `folder`. Raises Missing where there is no C compiler."""
    library, counter = folder / "slow_fsync.so", folder / "slow_fsync.count"
    run([find("cc", "gcc"), "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", library, SOURCE, "-ldl"])
    counter.write_bytes(bytes(8))
    return SlowDisk(library, milliseconds, counter)
