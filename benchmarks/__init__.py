"""Measurements of speed and memory; `python -m benchmarks` prints those of speed beside a peer."""
