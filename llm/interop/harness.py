"""A run measured by EleutherAI's Language Model Evaluation Harness, the package lm-eval (Gao et al. 2024).

Tasks of this project need no network: `story_world_<skill>`, the pairs of a skill as multiple choice; `story_world`,
all of them; `run_text`, the validation part of the run's text as one document. All others are the harness's own, whose
data it downloads.

Context and continuation are encoded one by one, as the harness hands them over. A context that the model cannot read
completely is cut to its end.
"""

from __future__ import annotations

import importlib.util
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from llm.batching import first_tokens
from llm.checkpoints import Run
from llm.config import SamplingConfig
from llm.runs.task_metrics import TaskMetric
from llm.runtime.evaluation_mode import evaluating
from llm.sampling import generate
from llm.world.asking import SKILLS, first_probes

PACKAGE = "lm_eval"
WORLD, TEXT = "story_world", "run_text"
PAIRS = 50
ROWS = 64  # sequences in a forward pass
MOST_NEW_TOKENS = 256  # unless a task says how many

Pair = tuple[Sequence[int], Sequence[int]]  # tokens to read, and to predict


class HarnessModel:
    """What lm-eval asks of a model, `lm_eval.api.model.LM`, answered by a run. `harness_model` makes it one."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """The log-probability of each continuation, and whether each of its tokens is the likeliest."""
        return _score(self.run, [self._encoded(*request.args) for request in requests])

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        """The log-probability of each text: every token once, in windows of n_ctx, the first one after a line break."""
        from lm_eval.utils import get_rolling_token_windows

        n_ctx, start = self.run.config.n_ctx, first_tokens(self.run.tokenizer, "")[-1]
        totals = []
        for request in requests:
            windows = get_rolling_token_windows(self.run.tokenizer.encode(request.args[0]), start, n_ctx, 1)
            totals.append(sum(log for log, _ in _score(self.run, [*windows])))
        return totals

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """The likeliest continuation of each context, up to one of the texts that end it."""
        written = []
        for request in requests:
            context, options = request.args
            until = options.get("until") or ()
            most = options.get("max_gen_toks") or MOST_NEW_TOKENS
            stop = (until,) if isinstance(until, str) else tuple(filter(None, until))
            config = SamplingConfig(max_new_tokens=most, temperature=0, stop=stop)
            written.append(generate(self.run.model, self.run.tokenizer, context, config).removeprefix(context))
        return written

    def _encoded(self, context: str, continuation: str) -> Pair:
        n_ctx, targets = self.run.config.n_ctx, self.run.tokenizer.encode(continuation)
        read = [*first_tokens(self.run.tokenizer, context), *targets[:-1]]
        return read[-n_ctx:], targets[-n_ctx:]


def require_harness() -> None:
    """Raise ValueError where the package is missing."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise ValueError("--tasks needs the package lm-eval: `uv sync --inexact --extra lm-eval` installs it")


def harness_model(run: Run) -> Any:
    """The run as a model of the harness."""
    from lm_eval.api.model import LM

    return type("RunModel", (HarnessModel, LM), {})(run)


def harness_metrics(run: Run, names: Sequence[str], limit: int | None = None) -> list[TaskMetric]:
    """Measure a run on tasks, of each at most the first `limit` documents.

    Raises:
        ValueError: the package is missing, there is no such task, or its data cannot be downloaded.
    """
    require_harness()
    logging.getLogger(PACKAGE).setLevel(logging.ERROR)
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    own = local_tasks(run)
    wanted = [name for given in names for name in (own if given == WORLD else [given])
              if given != WORLD or name != TEXT]  # fmt: skip
    foreign = [name for name in wanted if name not in own]
    manager = TaskManager(include_defaults=bool(foreign))
    for name in foreign:
        if name not in manager.all_tasks:
            raise ValueError(f"there is no task {name}: {WORLD}, {TEXT}, or one of lm-eval's, which it lists with "
                             "`uv run lm-eval ls tasks`")  # fmt: skip
    tasks = [own.get(name, name) for name in wanted]
    try:
        found = simple_evaluate(harness_model(run), tasks=tasks, task_manager=manager, limit=limit, log_samples=False,
                                bootstrap_iters=1)  # fmt: skip
    except OSError as error:  # what the libraries below raise where there is no network, ConnectionError among them
        raise ValueError(f"the data of {', '.join(foreign)} could not be downloaded: {error}") from None
    assert found is not None  # as in every process but the first of several
    counts = {task: count["effective"] for task, count in found["n-samples"].items()}
    return [*_metrics(run.step, found["results"], counts)]


def local_tasks(run: Run) -> dict[str, dict[str, Any]]:
    """The tasks that need no network, as lm-eval describes tasks."""
    likelier = {
        "output_type": "multiple_choice", "doc_to_text": "{{context}}", "doc_to_choice": "{{[right, wrong]}}",
        "doc_to_target": 0, "target_delimiter": "", "metric_list": [{"metric": "acc"}],
    }  # fmt: skip
    world = {
        f"{WORLD}_{skill}": likelier | {"custom_dataset": _pairs, "dataset_kwargs": {"skill": skill}}
        for skill in SKILLS
    }
    measures = [{"metric": metric} for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte")]
    text = {
        "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{text}}",
        "metric_list": measures, "custom_dataset": lambda **_: _documents([{"text": _validation_text(run)}]),
    }  # fmt: skip
    tasks = world | {TEXT: text}
    return {name: {"task": name, "test_split": "test"} | task for name, task in tasks.items()}


def _pairs(skill: str, **_: Any) -> dict[str, Any]:
    return _documents([vars(probe) for probe in first_probes(skill, PAIRS)])


def _documents(rows: list[dict[str, Any]]) -> dict[str, Any]:
    import datasets

    return {"test": datasets.Dataset.from_list(rows)}


def _validation_text(run: Run) -> str:
    from llm.training.run_evaluation import measured_on

    return measured_on(run, "validation", None)[1]


@torch.no_grad()
def _score(run: Run, pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
    """Σ log p of the tokens to predict, which follow the last tokens read, and whether each is the likeliest."""
    device = run.model.embed.W_E.device
    order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][0]))
    scores = [(0.0, True)] * len(pairs)
    with evaluating(run.model):
        for first in range(0, len(order), ROWS):
            batch = order[first : first + ROWS]
            width = len(pairs[batch[-1]][0])
            padded = [[*pairs[index][0], *[0] * (width - len(pairs[index][0]))] for index in batch]
            logits = run.model(torch.tensor(padded, device=device)).float().log_softmax(dim=-1).cpu()
            for row, index in enumerate(batch):
                read, targets = pairs[index]
                predicted = logits[row, len(read) - len(targets) : len(read)]  # [target, d_vocab]
                ids = torch.tensor(targets, dtype=torch.int64)
                likeliest = bool((predicted.argmax(dim=-1) == ids).all())
                scores[index] = predicted.gather(1, ids[:, None]).double().sum().item(), likeliest
    return scores


def _metrics(step: int, results: dict[str, dict[str, Any]], counts: dict[str, int]) -> Iterator[TaskMetric]:
    for task, measured in results.items():
        for key, value in measured.items():
            metric, comma, chosen = key.partition(",")  # "acc,none": a metric and a filter of the answers
            if comma and isinstance(value, float) and math.isfinite(value) and not metric.endswith("_stderr"):
                error = measured.get(f"{metric}_stderr,{chosen}")
                known = error if isinstance(error, float) and math.isfinite(error) else None
                name = metric if chosen == "none" else f"{metric} ({chosen})"
                yield TaskMetric(step, task, name, value, known, counts.get(task, 0))
