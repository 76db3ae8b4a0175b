"""Does the page slow training down? The same run by the command line and in the app, side by side.

    uv run python benchmarks/app_speed.py [--rounds 2] [--steps 120]

Each round trains with the page's defaults four times: with `llm train`; in the app with one tab open; with a second tab
on Attention, which recomputes every head of another run's model every other second, through the page's own route; and
with a second tab on Generate, where the button is pressed every other second, for a dozen tokens each. Wall-clock time
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
from served_app import PROJECT, chromium, served

FIRST = 10  # steps before the clock starts


def run_folders(home: Path) -> set[Path]:
    return {path.parent for path in (home / "checkpoints").glob("*/metrics.jsonl")}


def new_run(home: Path, known: set[Path]) -> Path:
    """Wait for the folder of the run that begins now."""
    while not (found := run_folders(home) - known):
        time.sleep(0.1)
    return found.pop()


def steps_taken(folder: Path) -> int:
    content = (folder / "metrics.jsonl").read_bytes()
    lines = content[: content.rfind(b"\n") + 1].splitlines()
    return json.loads(lines[-1])["step"] if lines else 0


def tokens_per_second(folder: Path, last: int, meanwhile: Callable[[], None]) -> float:
    """Speed of the run in this folder between steps FIRST and `last`; calls `meanwhile()` every other second."""
    while (first := steps_taken(folder)) < FIRST:
        time.sleep(0.05)
    started = turn = time.perf_counter()
    while (step := steps_taken(folder)) < last:
        time.sleep(0.05)
        if time.perf_counter() - turn >= 2:
            turn = time.perf_counter()
            meanwhile()
    config = json.loads((folder / "config.json").read_bytes())
    per_step = config["training"]["batch_size"] * config["training"]["accumulation"] * config["model"]["n_ctx"]
    return (step - first) * per_step / (time.perf_counter() - started)


def by_command_line(home: Path, last: int) -> float:
    """`llm train` with every default."""
    command = [sys.executable, "-m", "llm.cli", "train", "--checkpoints-dir", str(home / "checkpoints")]
    known = run_folders(home)
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL)
    speed = tokens_per_second(new_run(home, known), last, lambda: None)
    process.send_signal(signal.SIGINT)
    process.wait()
    return speed


def in_the_app(tab: Page, url: str, home: Path, last: int, meanwhile: Callable[[], None]) -> float:
    """Start on the Train page, with this tab watching."""
    known = run_folders(home)
    tab.goto(f"{url}/train?new=1")
    tab.get_by_role("button", name="Start", exact=True).click()
    tab.locator(".llm-live-state").wait_for()
    speed = tokens_per_second(new_run(home, known), last, meanwhile)
    tab.get_by_role("button", name="Stop", exact=True).click()
    tab.get_by_text("Stopped", exact=True).wait_for()
    return speed


def computing_tab(context: BrowserContext, url: str, run: Path) -> Callable[[], None]:
    """A tab on which each call has the attention of all heads computed and sent."""
    tab = context.new_page()
    with tab.expect_response(re.compile(r"/attention/grid\b")) as answered:
        tab.goto(f"{url}/attention?run={run.name}&view=heads")
    grid = answered.value.url
    tab.locator("canvas").first.wait_for()
    # not awaited here: an answer comes between two steps, and the clock must not wait for it
    return lambda: tab.evaluate(
        "url => void fetch(url, {cache: 'no-store'}).then(response => response.arrayBuffer())", grid
    )


def writing_tab(context: BrowserContext, url: str, run: Path) -> Callable[[], None]:
    """A tab on which each call presses Generate, for a dozen tokens of the model of `run`."""
    tab = context.new_page()
    tab.goto(f"{url}/generate?run={run.name}")
    amount = tab.get_by_role("spinbutton", name="`max_new_tokens`")
    amount.fill("12")
    amount.press("Enter")
    button = tab.get_by_role("button", name="Generate", exact=True)
    button.click()
    tab.locator(".llm-writing-token").first.wait_for()
    place = button.bounding_box()
    assert place is not None  # it was clicked
    # a bare press: Playwright's search for the button would itself compute in the page
    return lambda: tab.mouse.click(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)


def main() -> None:
    """Print the four speeds of each round, and the ratios to the command line's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=120)
    arguments = parser.parse_args()
    tabs = {"one tab": None, "and a page computing": computing_tab, "and a page writing": writing_tab}
    ratios: dict[str, list[float]] = {name: [] for name in tabs}
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url, chromium() as browser:
        home = Path(folder)
        (home / "expectations.json").write_text('{"never ask": true}')
        context = browser.new_context()
        context.set_default_timeout(60_000)
        for number in range(1, arguments.rounds + 1):
            plain = by_command_line(home, arguments.steps)
            said = [f"round {number}: command line {plain:,.0f} tokens/s"]
            for name, second_tab in tabs.items():
                tab = context.new_page()
                meanwhile = second_tab(context, url, min(run_folders(home))) if second_tab else lambda: None
                speed = in_the_app(tab, url, home, arguments.steps, meanwhile)
                ratios[name].append(speed / plain)
                said.append(f"{name} {speed:,.0f} ({speed / plain:.2f})")
                for page in context.pages:
                    page.close()
            print("; ".join(said), flush=True)
    for name, values in ratios.items():
        print(f"{name}: median ratio to the command line {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
