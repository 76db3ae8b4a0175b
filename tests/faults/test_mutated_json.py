"""Whatever the JSON files of a run hold, the others are listed, compared and shown, and every page opens."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from app_pages import never_ask, open_page, tiny_run
from children import outcomes
from counts import JSON_MUTATIONS
from mutations import mutated_json
from odd_folders import within
from runs_to_damage import stopped_run

import llm
from llm.checkpoints import RunFolder, list_runs
from llm.comparison.tables import loss_rows
from llm.interop.archive import write_archive
from llm.runs.loading import load_run
from llm.runs.origin import trees
from llm.runs.table import run_rows
from llm.training.branching import start_branch
from llm.training.setup import resume_run

FILES = (
    "config.json",
    "status.json",
    "metrics.jsonl",
    "samples.jsonl",
    "notes.json",
    "tokenizer.json",
    "snapshot.json",
)
DAMAGED, INTACT = "20260131120001", "20260131120002"


def mutate(run: Path, chance: random.Random) -> None:
    """Change one of the run's JSON files; now and then a second one."""
    for name in chance.sample(FILES, 1 if chance.random() < 0.8 else 2):
        files = list(run.glob(f"step_*/{name}" if name == "snapshot.json" else name))
        if files:
            path = chance.choice(files)
            path.write_bytes(mutated_json(path.read_bytes(), chance))


def compare(checkpoints: Path) -> None:
    found = llm.compare(checkpoints / DAMAGED, checkpoints / INTACT)
    for table in (found.ends, found.curves, found.bands, found.differences, found.skills):
        table()
    found.unfair()


def read_list(checkpoints: Path) -> None:
    """Every run is listed and in the table, whatever the other one is."""
    runs = {run.id: run for run in list_runs(checkpoints)}
    assert runs.keys() == {DAMAGED, INTACT} and runs[INTACT].problem is None and runs[INTACT].loss is not None
    assert len(run_rows(runs.values())) == len(llm.runs_table(checkpoints)) == 2
    assert sum(map(len, trees(list(runs.values())))) == 2


USES: tuple[Callable[[Path], object], ...] = (
    compare,
    lambda checkpoints: llm.diagnose(checkpoints / DAMAGED),
    lambda checkpoints: list(loss_rows(RunFolder(checkpoints / DAMAGED))),
    lambda checkpoints: load_run(checkpoints / DAMAGED),
    lambda checkpoints: RunFolder(checkpoints / DAMAGED).samples(),
    lambda checkpoints: write_archive(RunFolder(checkpoints / DAMAGED), checkpoints.parent / "run.zip", snapshots=True),
    lambda checkpoints: start_branch(checkpoints / DAMAGED, None, {"beta1": 0.8}),
    lambda checkpoints: resume_run(checkpoints / DAMAGED),
)


def use_mutated(checkpoints: Path, numbers: range) -> dict[str, int]:
    """Use the library on each of these mutations; how often all was read, or something refused."""
    original = stopped_run("char", "adamw")
    found = {"read": 0, "refused": 0}

    def mutate_and_use(index: int) -> str:
        shutil.rmtree(checkpoints, ignore_errors=True)
        for name in (DAMAGED, INTACT):
            shutil.copytree(original, checkpoints / name)
        mutate(checkpoints / DAMAGED, random.Random(numbers[index]))
        read_list(checkpoints)
        said = "read"
        for use in USES:
            try:
                use(checkpoints)
            except (ValueError, FileNotFoundError) as error:
                assert type(error).__module__.startswith("llm.") or type(error) in (ValueError, FileNotFoundError)
                assert "\n" not in str(error) and len(str(error)) < 800, error
                said = "refused"
        return said

    for number, said in zip(numbers, outcomes(mutate_and_use, len(numbers)), strict=True):
        assert said in found, f"mutation {number}: {said}"
        found[said] += 1
    return found


@JSON_MUTATIONS
def test_in_the_library_it_is_read_or_refused_in_a_sentence(tmp_path, count):
    print(use_mutated(tmp_path / "checkpoints", range(count)))  # shown with -s


MUTATIONS_OF_A_PAGE = 20
PAGES = ("train", "runs", "generate", "compare", "attention", "inside", "code", "home", "tokenizer", "circuit")


def show_mutated(home: Path, numbers: range) -> None:
    """Run a page again for each of these mutations: the run changes while the page shows it."""
    never_ask(home)
    original = tiny_run(home)
    RunFolder(original).append_sample({"step": 1, "prompt": "", "text": "a", "sampling": {}, "created": 1.0})
    folder, original = original.parent, original.rename(home / "original")
    shutil.copytree(original, folder / INTACT)
    for start in range(0, len(numbers), MUTATIONS_OF_A_PAGE):
        shutil.copytree(original, folder / DAMAGED, dirs_exist_ok=True)
        page = PAGES[numbers[start] // MUTATIONS_OF_A_PAGE % len(PAGES)]
        app = open_page(page, run=DAMAGED, runs=f"{DAMAGED}.{INTACT}")
        for number in numbers[start : start + MUTATIONS_OF_A_PAGE]:
            shutil.rmtree(folder / DAMAGED)
            shutil.copytree(original, folder / DAMAGED)
            mutate(folder / DAMAGED, random.Random(number))
            app.query_params["run"] = DAMAGED
            with within(100):
                app.run()
            assert not app.exception, (number, page, app.exception[0].message, app.exception[0].stack_trace)


@JSON_MUTATIONS
def test_every_page_opens(home, count):
    show_mutated(home, range(count))
