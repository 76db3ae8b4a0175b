"""How fast is the page Attention? The time to draw the medium preset's patterns in Chromium, and to react to a hover.

    uv run python benchmarks/attention_page.py [--rounds 5]

On a new server, an untrained medium GPT (6 layers of 6 heads, context 512; the time does not depend on the weights).
For 128 and 512 tokens it measures the time from Ctrl+Enter in the text field to the frame after the patterns are drawn,
and until their names and scores are shown; from a pointer event to the next frame, in both views; and the longest task
that blocked the page's main thread. Scores do not depend on the text: only the first text waits for them. Prints
medians and maxima. Needs Chromium.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Page
from served_app import PROJECT, chromium, never_ask, serve

from llm.checkpoints import load_run
from llm.config import TrainingConfig
from llm.data import read_text
from llm.presets import preset
from llm.training.setup import start_run

WATCH = """([count, states]) => {
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({ type: "longtask" });
    let start = 0;
    const before = document.querySelector("[data-drawn]").llmView; // each text has its own view
    addEventListener("keydown", (event) => { if (event.key === "Enter") start = performance.now(); }, true);
    window.drawn = new Promise((resolve) => {
        const times = {};
        const check = () => {
            const root = document.querySelector("[data-drawn]");
            if (start && root && root.llmView !== before && root.llmView.data.labels.length === count) {
                const now = performance.now() - start;
                for (const state of states.slice(0, states.indexOf(root.dataset.drawn) + 1)) times[state] ??= now;
                if (states.every((state) => state in times)) {
                    resolve(times);
                    return;
                }
            }
            requestAnimationFrame(check);
        };
        check();
    });
}"""

HOVER = """async (selector) => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
    const times = [];
    for (let turn = 0; turn < 40; turn++) {
        const elements = document.querySelectorAll(selector);
        const element = elements[(7 * turn) % elements.length];
        const box = element.getBoundingClientRect();
        const [clientX, clientY] = [box.left + 0.4 * box.width - turn % 9, box.top + 0.8 * box.height];
        const init = { bubbles: true, clientX, clientY };
        await frame();
        const start = performance.now();
        element.dispatchEvent(new PointerEvent("pointerover", init));
        element.dispatchEvent(new PointerEvent("pointermove", init));
        await frame();
        times.push(performance.now() - start);
    }
    return times;
}"""


def passages(run: Path, text: str, tokens: int, count: int) -> list[str]:
    """Up to `count` texts of exactly `tokens` tokens."""
    tokenizer = load_run(run).tokenizer
    texts = []
    for start in range(0, len(text), 4000):
        passage = tokenizer.decode(tokenizer.encode(text[start : start + 20 * tokens])[:tokens])
        if len(tokenizer.encode(passage)) == tokens:
            texts.append(passage)
        if len(texts) == count:
            break
    return texts


def print_times(name: str, times: list[float]) -> None:
    print(f"  {name:<44} median {statistics.median(times):7.0f} ms   maximum {max(times):7.0f} ms", flush=True)


def measure(page: Page, url: str, run: Path, view: str, text: str, tokens: int, rounds: int) -> None:
    """Print the times of one view at one length."""
    states = ["patterns", "scores"] if view == "heads" else ["head"]
    page.goto(f"{url}/attention?run={run.name}&view={view}&prompt={quote('Once upon a time')}")
    page.wait_for_selector(f"[data-drawn={states[-1]}]")
    drawn: dict[str, list[float]] = {state: [] for state in states}
    longest = 0.0
    for passage in passages(run, text, tokens, rounds):
        page.evaluate(WATCH, [tokens, states])
        field = page.get_by_role("textbox", name="Text that the model reads")
        field.fill(passage)
        field.press("Control+Enter")
        for state, milliseconds in page.evaluate("window.drawn").items():
            drawn[state].append(milliseconds)
        longest = max(longest, page.evaluate("window.longest"))
    print(f"{view}, {tokens} tokens:")
    for state, times in drawn.items():
        print_times(f"Ctrl+Enter until {state} are drawn", times)
    page.evaluate("window.longest = 0")
    for selector in [".llm-tiles-canvas"] if view == "heads" else [".llm-matrix-marks", ".llm-strip-token"]:
        page.wait_for_selector(selector)
        print_times(f"hover over {selector}", page.evaluate(HOVER, selector))
    print(f"  longest task while drawing {longest:.0f} ms, while hovering {page.evaluate('window.longest'):.0f} ms")


def main() -> None:
    """Measure both views at both lengths."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        text = read_text(PROJECT / "training.txt")[:400_000]
        training = TrainingConfig(steps=1, batch_size=1, eval_windows=1, sample_tokens=0, device="cpu")
        config = preset("gpt", "medium", d_vocab=1024, n_ctx=512)
        trainer = start_run(config, training, "bpe", text, "training.txt", Path(folder) / "checkpoints", 1024, "gpt")
        for _ in trainer:
            pass
        assert trainer.folder is not None
        with serve(Path(folder)) as url, chromium() as browser:
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(60_000)
            never_ask(Path(folder), page.context, url)
            for tokens in (128, 512):
                for view in ("heads", "head"):
                    measure(page, url, trainer.folder.path, view, text, tokens, rounds)


if __name__ == "__main__":
    main()
