"""A server that runs for days: memory stays flat, and any number of pages may watch a training."""

import asyncio
import gc
import json
import resource
import threading
import time
from pathlib import Path

from app_pages import SOON, TEXT, never_ask, open_page, tiny_run
from asked_routes import answer
from counts import POLLERS, TEXTS, TRAININGS

from llm.background import generations, trainings
from llm.checkpoints import list_runs
from llm.config import SamplingConfig, TrainingConfig
from llm.model import Transformer
from llm.presets import preset
from llm.training.new_run import NewRun

MODEL = preset("llama", d_vocab=1, d_model=32, n_layers=1, n_heads=2, n_ctx=16)
PAGES = ["train", "home", "generate", "tokenizer", "train", "inside"]


def start(home: Path, steps: int) -> trainings.BackgroundRun:
    training = TrainingConfig(
        steps=steps, batch_size=4, eval_every=20, eval_windows=2, sample_tokens=4, device="cpu", optimizer="muon"
    )
    return trainings.start(
        NewRun(MODEL, training, "char", TEXT, "hens.txt", home / "checkpoints", architecture="llama")
    )


def train(home: Path) -> None:
    run = start(home, steps=10)
    assert run.wait("finished", timeout=SOON) and run.state == "finished"


def write(path: Path, seed: int) -> None:
    text = generations.start(path, None, "The", SamplingConfig(max_new_tokens=10, seed=seed))
    text.thread.join(SOON)
    assert text.state == "finished"


def in_use() -> tuple[int, int]:
    """Bytes of memory that this process uses, and how many models it holds."""
    gc.collect()
    models = sum(type(thing) is Transformer for thing in gc.get_objects())
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize(), models


def require_flat(uses: list[tuple[int, int]]) -> None:
    """Fail if the later half uses more memory than the earlier half, beyond what a single step of it may need."""
    memory, models = zip(*uses, strict=True)
    half = len(uses) // 2
    earlier, later = (sum(part) / len(part) for part in (memory[:half], memory[half:]))
    print(f"{len(uses)} times: {earlier / 1e6:.1f} MB, then {later / 1e6:.1f} MB; models: {max(models)}")  # with -s
    assert max(models) == models[0]
    assert later - earlier < 3e6


@TRAININGS
def test_trainings_one_after_the_other_need_no_more_memory(home, count):
    train(home)
    uses = []
    for _ in range(count):
        train(home)
        uses.append(in_use())
    assert len(list_runs(home / "checkpoints")) == count + 1
    require_flat(uses)


@TEXTS
def test_texts_one_after_the_other_need_no_more_memory(home, count):
    path = tiny_run(home)
    write(path, 0)
    uses = []
    for seed in range(count):
        write(path, seed)
        uses.append(in_use())
    require_flat(uses)


@POLLERS
def test_pages_that_watch_a_training_miss_no_step_and_change_nothing(home, count):
    never_ask(home)
    run = start(home, steps=10 * count)
    seen: list[list[int]] = [[] for _ in range(count)]

    def poll(steps: list[int]) -> None:
        offset = 0
        while True:
            ended = not run.active
            status, content = asyncio.run(answer(f"/live/run/{run.id}", f"from={offset}"))
            assert status == 200
            found = json.loads(content)
            offset = found["next"]
            steps += [row["step"] for row in found["rows"]]
            if ended:
                return
            time.sleep(0.05)

    pollers = [threading.Thread(target=poll, args=(steps,)) for steps in seen]
    for poller in pollers:
        poller.start()
    for page in PAGES[:count]:
        open_page(page)
    assert run.wait("finished", timeout=10 * SOON) and run.state == "finished"
    for poller in pollers:
        poller.join(SOON)
    assert seen == [list(range(10 * count + 1))] * count
