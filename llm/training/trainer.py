"""The training loop.

`Trainer` is an iterator: each `next()` takes one optimizer step and returns what was measured. Whoever drives it
decides the rest: a progress bar, a page, a test. Pausing is not calling `next()`, a single step is calling it once.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from llm.config import SamplingConfig, TrainingConfig
from llm.data import TextData
from llm.layers.attention import set_attend
from llm.loss import next_token_loss
from llm.model import Transformer
from llm.runs.folder import RunFolder
from llm.runs.snapshots import snapshot_due
from llm.runtime.device import attention_kernel, autocast, choose_device, choose_precision, random_source
from llm.sampling import generate
from llm.tokenizers import Tokenizer
from llm.training.evaluation import Evaluation, evaluate
from llm.training.optimizers.build import build_optimizers, set_learning_rate
from llm.training.schedule import learning_rate_multiplier
from llm.world import check
from llm.world.skills import skills, tells_of_the_world


@dataclass(frozen=True)
class StepMetrics:
    """What was measured in one optimizer step, or, for step 0, before the first one."""

    step: int  # optimizer steps taken
    tokens: int  # training tokens seen
    loss: float | None  # of this step's batch before its update, nats per token; None at step 0
    learning_rate: float  # AdamW's
    grad_norm: float | None  # L2 norm over all parameters, before clipping
    grad_norms: dict[str, float]  # the same by layer: "embed", "block 0", …, "final"
    tokens_per_second: float | None  # of training steps alone, averaged over the last ten or so
    seconds: float  # spent in optimizer steps so far: no evaluations, samples or snapshots
    elapsed: float  # spent in all of these so far; pauses do not count
    evaluation: Evaluation | None = None  # on the validation text, every eval_every steps and at the end
    sample: str | None = None  # text written by the model at the same steps
    well_formed: float | None = None  # share of the sample's whole sentences that the story world could have told
    skills: dict[str, float] | None = None  # accuracy on the story world's skills, at fewer of these steps

    def row(self) -> dict[str, Any]:
        """The fields as JSON takes them; an evaluation is a dictionary of its own."""
        return dataclasses.asdict(self)


class TrainingDiverged(RuntimeError):
    """The loss or a gradient is no longer a finite number; the weights are still those before that step."""


class Trainer(Iterator[StepMetrics]):
    """Trains `model` on `data`; with a `folder`, keeps metrics, snapshots and the best and final weights there.

    Raises:
        ValueError: a device or precision that this machine does not have, or a sample prompt with unknown characters.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        data: TextData,
        config: TrainingConfig,
        folder: RunFolder | None = None,
    ) -> None:
        self.device = choose_device(config.device)
        precision = choose_precision(config.precision, self.device)
        self.autocast = partial(autocast, self.device, precision)
        self.model = model.to(self.device).train()
        set_attend(self.model, attention_kernel(self.device, precision))
        self.tokenizer = tokenizer
        self.data = data
        self.config = config
        self.folder = folder
        self.prompt = config.sample_prompt or first_words(data, tokenizer)
        tokenizer.encode(self.prompt)  # an unknown character is reported now, not at the first evaluation
        self.of_the_world = tells_of_the_world(tokenizer.decode(data.train[:5000].tolist()))
        self.forward = torch.compile(model) if config.compile else model
        self.optimizers = build_optimizers(model, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == torch.float16)
        self.layers = _parameters_by_layer(model)
        self.random_state = torch.Generator(self.device).manual_seed(config.seed).get_state()
        self.step = 0
        self.seconds = 0.0
        self.elapsed = 0.0
        self.tokens_per_second: float | None = None
        self.best_loss = math.inf
        self.evaluations_without_best = 0
        self.stop_reason: str | None = None
        self.last_metrics: StepMetrics | None = None
        self._begun = False
        self._status_time = -math.inf

    @property
    def finished(self) -> bool:
        """Whether there is no further step to take; `stop_reason` says why."""
        return self.stop_reason is not None

    def __next__(self) -> StepMetrics:
        """Take one optimizer step.

        Raises:
            StopIteration: all steps are done, or the validation loss has not improved for `patience` evaluations.
            TrainingDiverged: the loss or a gradient is not finite.
        """
        if self.finished:
            raise StopIteration
        if not self._begun:
            self.initial_metrics()
        config, started = self.config, time.perf_counter()

        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        with self._own_random_state():
            for number in range(self.step * config.accumulation, (self.step + 1) * config.accumulation):
                inputs, targets = self.data.batch(config.batch_size, number, config.seed, self.device)  # [batch, pos]
                with self.autocast():
                    logits = self.forward(inputs)  # [batch, pos, d_vocab]
                    part = next_token_loss(logits, targets) / config.accumulation
                self.scaler.scale(part).backward()
                loss += part.detach()

        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norms = torch.stack([nn.utils.get_total_norm(_gradients(layer)) for layer in self.layers.values()])
        grad_norm = norms.norm()
        measured = torch.stack([loss, grad_norm, *norms]).tolist()  # the step's one wait for a GPU
        self._check_finite(loss=measured[0], grad_norm=measured[1])
        if config.grad_clip > 0:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), config.grad_clip, grad_norm)

        multiplier = learning_rate_multiplier(self.step + 1, config)
        set_learning_rate(self.optimizers, multiplier)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        self.step += 1

        seconds = time.perf_counter() - started
        self._count_time(seconds)
        metrics = StepMetrics(
            step=self.step,
            tokens=self.step * self._tokens_per_step,
            loss=measured[0],
            learning_rate=multiplier * config.learning_rate,
            grad_norm=_finite_or_none(measured[1]),
            grad_norms={
                name: norm for name, norm in zip(self.layers, measured[2:], strict=True) if math.isfinite(norm)
            },
            tokens_per_second=self.tokens_per_second,
            seconds=self.seconds,
            elapsed=self.elapsed + seconds,
        )
        if self.step == config.steps or self.step % config.eval_every == 0:
            metrics = self._with_evaluation(metrics, started)
        self._keep(metrics)
        self.elapsed += time.perf_counter() - started
        return metrics

    def initial_metrics(self) -> StepMetrics:
        """Evaluation and sample of the untrained model, kept as step 0. The first `next()` sees to it if nobody did.

        Raises:
            ValueError: the run has begun; this was its first row of metrics.
        """
        if self._begun:
            raise ValueError(f"step 0 can only be measured before training begins, and this run is at step {self.step}")
        self._begun = True
        started = time.perf_counter()
        untrained = StepMetrics(0, 0, None, 0.0, None, {}, None, 0.0, 0.0)
        metrics = self._with_evaluation(untrained, started)
        self._keep(metrics)
        self.elapsed += time.perf_counter() - started
        return metrics

    def snapshot(self, state: str = "stopped", message: str = "") -> None:
        """Write a snapshot of this very step, and that the run is now "stopped" or "paused", if there is a folder."""
        if self.folder is None or self.finished:
            return
        if not self._begun:
            self.initial_metrics()
        elif self.last_metrics is not None and self.step not in self.folder.snapshots():
            self._save_snapshot(self.last_metrics)
        self.folder.write_status(state, message, self.step)

    def state(self) -> dict[str, Any]:
        """All that the next step depends on, apart from the weights: numbers and tensors only."""
        return {
            "step": self.step,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "random_state": self.random_state,
            "best_loss": self.best_loss,
            "evaluations_without_best": self.evaluations_without_best,
            "seconds": self.seconds,
            "elapsed": self.elapsed,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`; the weights of the same step must be in the model already."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
        self._begun = True
        self.random_state = state["random_state"]
        self.step = state["step"]
        self.best_loss = state["best_loss"]
        self.evaluations_without_best = state["evaluations_without_best"]
        self.seconds = state["seconds"]
        self.elapsed = state["elapsed"]
        self._finish_if_done()

    @property
    def _tokens_per_step(self) -> int:
        return self.config.batch_size * self.config.accumulation * self.model.config.n_ctx

    def _with_evaluation(self, metrics: StepMetrics, started: float) -> StepMetrics:
        evaluation = evaluate(
            self.model,
            self.data,
            self.tokenizer,
            self.config.eval_windows,
            self.config.batch_size,
            self.autocast,
        )
        sample = self._sample()
        told = check(sample).share if sample is not None and self.of_the_world else None
        return dataclasses.replace(
            metrics,
            evaluation=evaluation,
            sample=sample,
            well_formed=told,
            skills=self._skills(metrics.step),
            elapsed=self.elapsed + time.perf_counter() - started,
        )

    def _skills(self, step: int) -> dict[str, float] | None:
        """Asked densely early and sparsely late: they cost more than all the rest of an evaluation."""
        number = step // self.config.eval_every
        due = step == self.config.steps or (number > 0 and number & (number - 1) == 0)  # a power of two
        if not (due and self.of_the_world and self.config.skill_pairs):
            return None
        found = skills(self.model, self.tokenizer, self.config.skill_pairs)
        return {name: score.accuracy for name, score in found.items()}

    def _sample(self) -> str | None:
        if self.config.sample_tokens == 0:
            return None
        sampling = SamplingConfig(max_new_tokens=self.config.sample_tokens, seed=self.config.seed)
        self.model.eval()
        text = generate(self.model, self.tokenizer, self.prompt, sampling)
        self.model.train()
        return text

    def _keep(self, metrics: StepMetrics) -> None:
        """Write what this step leaves behind. The row comes first: a snapshot never lacks its own step's metrics."""
        self.last_metrics = metrics
        if self.folder is not None:
            self.folder.append_metrics(metrics.row())
        if metrics.evaluation is not None and metrics.step > 0:
            self._compare_with_best(metrics.evaluation.loss)
        ending = self._ending()
        if self.folder is not None:
            if ending or snapshot_due(metrics.step, self.config.steps):
                self._save_snapshot(metrics)
            if time.monotonic() - self._status_time >= 1:  # enough for whoever looks, and next to nothing to write
                self.folder.write_status("running", "", self.step)
                self._status_time = time.monotonic()
        self._finish_if_done()

    def _compare_with_best(self, loss: float) -> None:
        if loss < self.best_loss:
            self.best_loss = loss
            self.evaluations_without_best = 0
            if self.folder is not None:
                self.folder.save_model("best", self.model, self.step)
        else:
            self.evaluations_without_best += 1

    def _ending(self) -> str | None:
        if self.step >= self.config.steps:
            return f"all {self.config.steps} steps are done"
        if 0 < self.config.patience <= self.evaluations_without_best:
            return (
                f"stopped early at step {self.step}: {self.evaluations_without_best} evaluations in a row "
                f"brought no validation loss below {self.best_loss:.3f}"
            )
        return None

    def _finish_if_done(self) -> None:
        self.stop_reason = self._ending()
        if self.stop_reason is not None and self.folder is not None:
            self.folder.save_model("final", self.model, self.step)
            self.folder.write_status("finished", self.stop_reason, self.step)

    def _save_snapshot(self, metrics: StepMetrics) -> None:
        assert self.folder is not None
        info = {name: metrics.row()[name] for name in ("step", "loss", "evaluation")}
        self.folder.save_snapshot(self.step, self.model, info, self.state(), self.config.max_disk_mb)

    def _check_finite(self, loss: float, grad_norm: float) -> None:
        if math.isfinite(loss) and math.isfinite(grad_norm):
            return
        if math.isfinite(loss) and self.scaler.is_enabled() and self.scaler.get_scale() >= 1:
            return  # an overflow in float16: the scaler skips this update and tries a smaller scale
        what = f"loss became {loss}" if not math.isfinite(loss) else f"gradient's length became {grad_norm}"
        rate = learning_rate_multiplier(self.step + 1, self.config) * self.config.learning_rate
        kept = "Its weights and the last snapshot are those before that step" if self.folder else "Its weights are kept"
        message = (
            f"Training diverged in step {self.step + 1}: the {what} at learning rate {rate:.2g}. {kept}. "
            f"Try a third of the learning rate, a longer warm-up, or a smaller grad_clip."
        )
        if self.folder is not None:
            self.folder.write_status("failed", message, self.step)
        raise TrainingDiverged(message)

    def _count_time(self, seconds: float) -> None:
        self.seconds += seconds
        rate, before = self._tokens_per_step / seconds, self.tokens_per_second
        # a running mean of seconds per token, in which a step counts for about ten more
        self.tokens_per_second = rate if before is None else 1 / (0.9 / before + 0.1 / rate)

    @contextmanager
    def _own_random_state(self) -> Iterator[None]:
        """Draw dropout from the run's own random state, so that nothing else in the process changes the run."""
        source = random_source(self.device)
        outside = source.get_rng_state()
        source.set_rng_state(self.random_state)
        try:
            yield
        finally:
            self.random_state = source.get_rng_state()
            source.set_rng_state(outside)


def _parameters_by_layer(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters by place, from input to output: "embed" (and positions), "block 0", …, "final"."""
    layers: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        module, *rest = name.split(".")
        if module == "blocks":
            layer = f"block {rest[0]}"
        else:
            layer = "embed" if module in ("embed", "positions") else "final"
        layers.setdefault(layer, []).append(parameter)
    return layers


def _gradients(parameters: list[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _finite_or_none(number: float) -> float | None:
    return number if math.isfinite(number) else None  # JSON has no infinity


def first_words(data: TextData, tokenizer: Tokenizer, characters: int = 24) -> str:
    """How a paragraph of the validation text begins, the first whole one if it is near; cut at a space if there is one.

    Samples start there unless a prompt is given: words that the model cannot have learned by heart.
    """
    beginning = tokenizer.decode(data.validation[:1000].tolist())
    _, blank_line, whole_paragraph = beginning.partition("\n\n")
    words = (whole_paragraph if blank_line else beginning).lstrip()[:characters]
    return words.rsplit(" ", 1)[0].rstrip() or "\n"
