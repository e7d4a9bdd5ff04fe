"""Measurements against peers: `python -m benchmarks.<name> [--json]`, from the root of the repository."""
