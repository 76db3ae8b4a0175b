"""Speed beside a peer, in one run: `uv run python -m benchmarks [NAME …]`.

Prints a table and writes it to a JSON file with the machine, the threads, the versions and the commit. Each row is
measured alternately with its peer, several times; shown are the median and, after ±, half the distance of the
quartiles. Whatever else runs on the machine slows both, but not equally: measure on an idle one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import generation, tokenizing
from benchmarks.rows import Row

ROWS: dict[str, Callable[[], Row]] = {**generation.ROWS, **tokenizing.ROWS}
PACKAGES = ("torch", "numpy", "transformers", "tokenizers")


@dataclass
class Result:
    """One row: seconds of each repeat, and how many times as fast as the peer this project is."""

    name: str
    ours: list[float]
    peer: list[float]

    @property
    def ratio(self) -> float:
        """How many times as fast as the peer."""
        return statistics.median(self.peer) / statistics.median(self.ours)


def measure(name: str, ours: Callable[[], object], peer: Callable[[], object], repeats: int) -> Result:
    """Both alternately, after one run each that is not counted."""
    result = Result(name, [], [])
    for repeat in range(repeats + 1):
        for work, seconds in ((ours, result.ours), (peer, result.peer)):
            started = time.perf_counter()
            work()
            if repeat:
                seconds.append(time.perf_counter() - started)
    return result


def shown(seconds: list[float]) -> str:
    """The median in milliseconds and half the distance of the quartiles."""
    low, median, high = statistics.quantiles(seconds, n=4)
    return f"{median * 1e3:9.1f} ± {(high - low) / 2 * 1e3:6.1f} ms"


def conditions() -> dict[str, object]:
    """What the figures depend on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
        "commit": commit.stdout.strip(),
    }


def main() -> None:
    """Measure the rows whose names begin with one of the arguments, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"rows, or beginnings of their names: {', '.join(ROWS)}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="where to write the results")
    arguments = parser.parse_args()
    chosen = [name for name in ROWS if not arguments.names or name.startswith(tuple(arguments.names))]
    if not chosen:
        parser.error(f"no row begins with {' or '.join(arguments.names)}; rows: {', '.join(ROWS)}")
    if arguments.repeats < 2:
        parser.error(f"--repeats must be at least 2, got {arguments.repeats}")
    found = conditions()
    print(json.dumps(found))
    print(f"{'':28} {'this project':>21} {'peer':>21}  as fast   bar")
    results = []
    for name in chosen:
        try:
            row = ROWS[name]()
        except FileNotFoundError as error:
            print(f"{name:28} skipped: {error.filename} does not exist")
            continue
        result = measure(name, row.ours, row.peer, arguments.repeats)
        results.append(asdict(result) | {"ratio": result.ratio, "peer_name": row.peer_name, "bar": row.bar})
        print(f"{name:28} {shown(result.ours)} {shown(result.peer)}  {result.ratio:6.2f}× {row.bar:5.2f}×", flush=True)
    arguments.json.write_text(json.dumps({"conditions": found, "rows": results}, indent=1))


if __name__ == "__main__":
    main()
