"""Does the page slow training down? The same run from the command line and in the app, side by side.

    uv run python benchmarks/app_speed.py [--rounds 2] [--steps 120]

Each round trains with the page's defaults four times: with `llm train`; in the app with one tab open; with a second tab
on Attention, which recomputes every head of another run's model every other second, through the page's own route; and
with a second tab on Generate, which generates a dozen tokens every other second. Wall-clock time
from step 10 to the last step, as metrics.jsonl grows, so that waiting between two steps counts too. Needs Chromium.
Timings are noisy: compare within a round.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page
from served_app import PROJECT, chromium, never_ask, serve

FIRST = 10  # steps before the clock starts


def run_folders(home: Path) -> set[Path]:
    return {path.parent for path in (home / "checkpoints").glob("*/metrics.jsonl")}


def new_run(home: Path, earlier: set[Path]) -> Path:
    """Wait for the folder of a run that is not among the earlier ones."""
    while not (new := run_folders(home) - earlier):
        time.sleep(0.1)
    return new.pop()


def steps_taken(folder: Path) -> int:
    content = (folder / "metrics.jsonl").read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    return json.loads(lines[-1])["step"] if lines else 0


def tokens_per_second(folder: Path, last: int, meanwhile: Callable[[], None]) -> float:
    """Speed of the run in this folder between steps FIRST and `last`; calls `meanwhile()` every other second."""
    while (first := steps_taken(folder)) < FIRST:
        time.sleep(0.05)
    started = last_call = time.perf_counter()
    while (step := steps_taken(folder)) < last:
        time.sleep(0.05)
        if time.perf_counter() - last_call >= 2:
            last_call = time.perf_counter()
            meanwhile()
    config = json.loads((folder / "config.json").read_bytes())
    per_step = config["training"]["batch_size"] * config["training"]["accumulation"] * config["model"]["n_ctx"]
    return (step - first) * per_step / (time.perf_counter() - started)


def from_command_line(home: Path, last: int) -> float:
    """`llm train` with every default."""
    command = [sys.executable, "-m", "llm.cli", "train", "--checkpoints-dir", str(home / "checkpoints")]
    earlier = run_folders(home)
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL)
    speed = tokens_per_second(new_run(home, earlier), last, lambda: None)
    process.send_signal(signal.SIGINT)
    process.wait()
    return speed


def in_the_app(tab: Page, url: str, home: Path, last: int, meanwhile: Callable[[], None]) -> float:
    """Start on the Train page, with this tab watching."""
    earlier = run_folders(home)
    tab.goto(f"{url}/train?new=1")
    tab.get_by_role("button", name="Start", exact=True).click()
    tab.locator(".llm-live-state").wait_for()
    speed = tokens_per_second(new_run(home, earlier), last, meanwhile)
    tab.get_by_role("button", name="Stop", exact=True).click()
    tab.get_by_text("Stopped", exact=True).wait_for()
    return speed


def computing_tab(context: BrowserContext, url: str, run: Path) -> Callable[[], None]:
    """Open a tab; each call of the result requests the attention of all heads."""
    tab = context.new_page()
    with tab.expect_response(re.compile(r"/attention/grid\b")) as response:
        tab.goto(f"{url}/attention?run={run.name}&view=heads")
    grid = response.value.url
    tab.locator("canvas").first.wait_for()
    # not awaited: the response comes between two steps, and the clock must not wait for it
    return lambda: tab.evaluate(
        "url => void fetch(url, {cache: 'no-store'}).then(response => response.arrayBuffer())", grid
    )


def generating_tab(context: BrowserContext, url: str, run: Path) -> Callable[[], None]:
    """Open a tab; each call of the result clicks Generate, for a dozen tokens of the model of `run`."""
    tab = context.new_page()
    tab.goto(f"{url}/generate?run={run.name}")
    amount = tab.get_by_role("spinbutton", name="`max_new_tokens`")
    amount.fill("12")
    amount.press("Enter")
    button = tab.get_by_role("button", name="Generate", exact=True)
    button.click()
    tab.locator(".llm-writing-token").first.wait_for()
    box = button.bounding_box()
    assert box is not None  # it was clicked
    # a bare click at its coordinates: Playwright's search for the button would itself compute in the page
    return lambda: tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def main() -> None:
    """Print the four speeds of each round, and the ratios to the command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=120)
    arguments = parser.parse_args()
    tabs = {"one tab": None, "and a page computing": computing_tab, "and a page generating": generating_tab}
    ratios: dict[str, list[float]] = {name: [] for name in tabs}
    with tempfile.TemporaryDirectory() as folder, serve(Path(folder)) as url, chromium() as browser:
        home = Path(folder)
        context = browser.new_context()
        never_ask(home, context, url)
        context.set_default_timeout(60_000)
        for number in range(1, arguments.rounds + 1):
            plain = from_command_line(home, arguments.steps)
            results = [f"round {number}: command line {plain:,.0f} tokens/s"]
            for name, second_tab in tabs.items():
                tab = context.new_page()
                meanwhile = second_tab(context, url, min(run_folders(home))) if second_tab else lambda: None
                speed = in_the_app(tab, url, home, arguments.steps, meanwhile)
                ratios[name].append(speed / plain)
                results.append(f"{name} {speed:,.0f} ({speed / plain:.2f})")
                for page in context.pages:
                    page.close()
            print("; ".join(results), flush=True)
    for name, values in ratios.items():
        print(f"{name}: median ratio to the command line {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
