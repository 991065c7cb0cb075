"""Benchmarks beside other programs, on the same machine at the same time: `python -m benchmarks`."""
