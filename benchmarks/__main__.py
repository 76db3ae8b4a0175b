"""Speed beside a peer, in one run: `uv run python -m benchmarks [NAME …]`.

Prints a table and writes it to a JSON file with the machine, the threads, the versions and the commit. Each row is
measured alternately with its peer, several times; shown are the median and, after ±, half the distance of the
quartiles. Whatever else runs on the machine slows both, but not equally: measure on an idle one. The speed of training
in the app, with one and three tabs watching, needs Chromium: `uv run python benchmarks/app_speed.py --rounds 10`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks import generation, listing, scaling, serving, startup, time_to_loss, tokenizing, training, whole_run
from benchmarks.rows import Row
from llm.runtime import compute
from llm.runtime.conditions import current_conditions
from llm.runtime.device import choose_precision

MODULES = (time_to_loss, training, generation, serving, whole_run, startup, listing, tokenizing, scaling)
ROWS: dict[str, Callable[[], Row]] = {name: build for module in MODULES for name, build in module.ROWS.items()}
PEERS = ("transformers", "tokenizers")


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


def measure(name: str, row: Row, repeats: int) -> Result:
    """Both alternately, after one run each that is not counted, unless the row is measured once."""
    result = Result(name, [], [])
    for repeat in range(1 if row.once else repeats + 1):
        for work, seconds in ((row.ours, result.ours), (row.peer, result.peer)):
            started = time.perf_counter()
            own = work()
            if repeat or row.once:
                seconds.append(own if isinstance(own, float) else time.perf_counter() - started)
    return result


def spread(seconds: list[float]) -> float:
    """Half the distance of the quartiles; 0 of a single measurement."""
    if len(seconds) == 1:
        return 0.0
    low, _, high = statistics.quantiles(seconds, n=4)
    return (high - low) / 2


def shown(seconds: list[float]) -> str:
    """Median and spread in milliseconds."""
    return f"{statistics.median(seconds) * 1e3:9.1f} ± {spread(seconds) * 1e3:6.1f} ms"


def conditions() -> dict[str, object]:
    """What the figures depend on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        **asdict(compute.run(current_conditions, torch.device("cpu"), choose_precision("auto", torch.device("cpu")))),
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load": os.getloadavg()[0],
        "peers": {package: version(package) for package in PEERS},
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
    print(f"{'':28} {'this project':>21} {'peer':>21}  as fast    bar")
    results = []
    for name in chosen:
        try:
            row = compute.run(ROWS[name])
        except FileNotFoundError as error:
            print(f"{name:28} skipped: {error.filename} does not exist")
            continue
        except ValueError as error:  # there is no such device
            print(f"{name:28} skipped: {error}")
            continue
        result = compute.run(measure, name, row, arguments.repeats)  # in the thread that trains, with its allocator
        figures = {"ratio": result.ratio, "peer_name": row.peer_name, "bar": row.bar, "parameters": row.parameters}
        for side in ("ours", "peer"):
            seconds = getattr(result, side)
            figures |= {f"{side}_median": statistics.median(seconds), f"{side}_spread": spread(seconds)}
        results.append(asdict(result) | figures)
        line = f"{name:28} {shown(result.ours)} {shown(result.peer)}  {result.ratio:6.2f}× {row.bar:5.2f}×"
        print(f"{line}  {row.peer_name}", flush=True)
    arguments.json.write_text(json.dumps({"conditions": found, "rows": results}, indent=1))


if __name__ == "__main__":
    main()
