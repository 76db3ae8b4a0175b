"""`uv run llm evaluate`: measure a trained model on a text."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from llm.cli.flags import Command, ParsedFlags, UsageError, flag, reject_combination
from llm.cli.shared_flags import checkpoints_dir_flag, choice, required_run
from llm.cli.terminal import console, plain_table, visible
from llm.config import Device, TrainingConfig, describe
from llm.runtime.text import readable_name, with_error

if TYPE_CHECKING:
    from llm.training.int8_cost import Int8Cost
    from llm.training.run_evaluation import RunEvaluation

PARTS = {
    "train": "from which the model and its tokenizer learned, usually the first 90%.",
    "validation": "on which the best weights were chosen, usually the next 5%.",
    "test": "used neither to train nor to choose the best weights, usually the last 5%.",
}


TASK_FLAGS = ["run", "tasks", "limit", "step", "device", "json", "checkpoints_dir"]


def evaluate(flags: ParsedFlags) -> int:
    """Print what was measured as a table, or as one JSON object."""
    path = required_run(flags, "the run to measure")
    part = flags.get("part", "validation")
    if flags.get("limit", 1) < 1 or ("limit" in flags and "tasks" not in flags):
        raise UsageError("--limit must be at least 1, and needs --tasks: it is a number of their documents")
    if "text" in flags and "part" in flags:
        raise UsageError("--text cannot be combined with --part: the text is measured instead of a part of the run's")

    from llm.checkpoints import load_run
    from llm.data import read_text
    from llm.runs.corpus import text_limits
    from llm.runtime import compute
    from llm.runtime.device import choose_device
    from llm.training.int8_cost import int8_cost
    from llm.training.run_evaluation import RunEvaluation, evaluate_run

    if "tasks" in flags:
        return _evaluate_tasks(path, flags)
    text = read_text(flags["text"]) if "text" in flags else None
    run = compute.run(load_run, path, flags.get("step"), "fused", choose_device(flags.get("device", "auto")))
    found: RunEvaluation | Int8Cost
    if flags.get("int8"):
        found = compute.finish(int8_cost.steps(run, part, text))
    else:
        found = compute.finish(evaluate_run.steps(run, part, text))
    limits = text_limits(run.folder.config())
    all_of = "the beginning of" if limits and text is None else "all of"
    name = f"its {part} part" if text is None else readable_name(flags["text"])
    if flags.get("json"):
        measured_on = {"text": name} if text is not None else {"part": part}
        print(json.dumps(measured_on | dataclasses.asdict(found), ensure_ascii=False))
    else:
        if isinstance(found, RunEvaluation):
            print(visible("\n".join(_lines(found, f"{all_of} {name}"))))
        else:
            _print_cost(found, f"{all_of} {name}")
        if limits:
            print(limits)
    return 0


def _evaluate_tasks(path: Path, flags: ParsedFlags) -> int:
    """Measure a run on tasks of lm-eval, keep the result in its folder, and print it."""
    reject_combination(flags, "tasks", "a task has its own text", TASK_FLAGS)
    from llm.interop.harness import harness_metrics, require_harness

    require_harness()
    from llm.checkpoints import load_run
    from llm.runs.task_metrics import write_task_metrics
    from llm.runtime import compute
    from llm.runtime.device import choose_device

    run = compute.run(load_run, path, flags.get("step"), "fused", choose_device(flags.get("device", "auto")))
    found = compute.run(harness_metrics, run, flags["tasks"], flags.get("limit"))
    write_task_metrics(run.folder.tasks_file, found)
    if flags.get("json"):
        print(json.dumps({"run": run.folder.id, "metrics": [row._asdict() for row in found]}, ensure_ascii=False))
        return 0
    print(visible(f"Run {run.folder.id}, step {run.step:,}; kept in its folder, and shown on the page Runs"))
    rows = [(row.task, row.metric, with_error(row.value, row.standard_error), f"{row.documents:,}") for row in found]
    console().print(plain_table(("task", "metric", "value", "documents"), rows))
    return 0


def _lines(found: RunEvaluation, name: str) -> list[str]:
    from llm.world.asking import EASY, PLAIN_NAMES
    from llm.world.skills import in_percent

    measured, baselines = found.evaluation, found.baselines
    error = measured.accuracy_standard_error
    bits = with_error(measured.bits_per_character, measured.bits_per_character_standard_error)
    lines = [
        f"Run {found.run}, step {found.step:,}, on {name}: {measured.characters:,} characters, "
        f"{measured.tokens:,} tokens in {measured.passages:,} passages",
        f"  loss                {with_error(measured.loss, measured.standard_error)} nats per token",
        f"  perplexity          {measured.perplexity:,.3f}",
        f"  accuracy            {with_error(100 * measured.accuracy, None if error is None else 100 * error, 1)}%",
        f"  bits per character  {bits}",
        f"  bits per byte       {found.bits_per_byte:.3f}",
        f"  Each token from at most {found.window - 1:,} before it: windows of {found.window:,} tokens end to end."
        if baselines is not None
        else f"  Each of the masked tokens from all others of its window of {found.window:,}: these figures compare "
        "with those of no model that predicts the next token.",
    ]
    if found.sentences_seen_in_training is not None:
        percentage = f"{100 * found.sentences_seen_in_training:.0f}%"
        lines.append(f"  sentences           {percentage} occur word for word in the training part")
    if baselines is not None:
        lines.append("Loss without a network, on the same text:")
        for order in ("uniform", "unigram", "bigram", "trigram"):
            standard_error = getattr(baselines, f"{order}_standard_error", None)
            lines.append(f"  {order:<19} {with_error(getattr(baselines, order), standard_error)}")
    if found.skills:
        lines.append("Skills: correct, and the 95% interval; guessing gives 50%; easy: the last 20 characters suffice:")
    width = max(map(len, PLAIN_NAMES.values()))
    for skill, score in found.skills.items():
        correct = in_percent(score.accuracy, score.pairs)
        easy = ", easy" if skill in EASY else ""
        lines.append(f"  {PLAIN_NAMES[skill]:<{width}} {correct} of {score.pairs} pairs{easy}")
    return lines


def _print_cost(cost: Int8Cost, name: str) -> None:
    from llm.training.int8_cost import cost_rows, in_words

    about = f"Run {cost.run}, step {cost.step:,}, on {name}, its weights in float32 and as integers of 8 bits"
    print(visible(about))
    console().print(plain_table(("", "float32", "int8", "change"), cost_rows(cost)))
    print(in_words(cost))


def command_flags() -> dict[str, Any]:
    """The flags of the command."""
    return {
        "run": flag(str, "Run to measure, a folder or a run id; the flag's name may be left out."),
        "step": flag(int, "Step of the snapshot to use.", "the final weights, else the best, else the newest"),
        "part": choice("Part of the run's text to measure.", PARTS, "validation"),
        "text": flag(str, "Measure this text instead: a UTF-8 file.", "a part of the run's text"),
        "tasks": flag(
            tuple[str, ...],
            "Measure with tasks of lm-eval instead. Offline: story_world, all its skills as multiple choice, "
            "story_world_riddles and the like, one of them, and run_text, the validation text. Others are those of "
            "lm-eval, which it downloads.",
            (),
        ),
        "limit": flag(int, "Documents of each task to measure.", "all"),
        "int8": flag(
            bool,
            "Compare with the same weights as integers of 8 bits: size, time of a token, loss and skills.",
            False,
        ),
        "device": flag(str, describe(TrainingConfig)["device"].help, "auto", get_args(Device)),
        "json": flag(bool, "Print one JSON object, for scripts.", False),
        "checkpoints_dir": checkpoints_dir_flag(),
    }


COMMAND = Command(
    "Measure a trained model on a text: loss, accuracy, bits per character and per byte, baselines, and the skills of "
    "the story world, with standard errors.",
    command_flags,
    evaluate,
    subject="run",
)
