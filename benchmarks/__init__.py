"""How fast it is, beside what others do on the same machine in the same minutes: `python -m benchmarks`."""
