"""The training loop.

`Trainer` is an iterator: each `next()` takes one optimizer step and returns what was measured. The caller, such as a
progress bar, a page or a test, decides everything else. Pausing is not calling `next()`, a single step is calling it
once.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NoReturn

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llm.config import TrainingConfig
from llm.data import TextData
from llm.data.batches import Batches
from llm.data.documents import document_boundary
from llm.layers.attention import set_attend
from llm.model import Transformer
from llm.runs.folder import RunFolder
from llm.runs.snapshots import snapshot_due
from llm.runtime.allocator import give_back_freed_memory
from llm.runtime.device import attention_kernel, autocast, choose_device, choose_precision, use_exact_products
from llm.runtime.processes import Processes
from llm.runtime.random_state import RandomState
from llm.tokenizers import Tokenizer
from llm.training.divergence import TrainingDiverged, all_finite, divergence_message
from llm.training.evaluators import Evaluator, standard_evaluators, take_measures
from llm.training.gradient_checkpointing import recompute_blocks
from llm.training.gradients import gradient_norms, parameters_by_layer
from llm.training.loss_in_pieces import choose_loss
from llm.training.metrics import StepMetrics
from llm.training.optimizers.build import build_optimizers, set_learning_rate
from llm.training.routing import Routing
from llm.training.schedule import learning_rate, learning_rate_multiplier
from llm.training.writer import RunWriter


class Trainer(Iterator[StepMetrics]):
    """Trains `model` on `data`; with a `folder`, its progress is written there (`RunWriter`).

    `evaluators` measure the model every `eval_every` steps and at the end, in their order, and `final_evaluators` only
    after the last step; None: those of `standard_evaluators`. Each of several `processes` has such a trainer, and all
    take their steps together; only the first writes.

    Raises:
        ValueError: a device or precision that this machine does not have, a sample prompt with unknown characters, a
            batch size that the number of processes does not divide, separate documents without a token between, or
            data that are masked for a model that predicts the next token, or not for one that fills in masked tokens.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        data: TextData,
        config: TrainingConfig,
        folder: RunFolder | None = None,
        evaluators: Sequence[Evaluator] | None = None,
        final_evaluators: Sequence[Evaluator] = (),
        processes: Processes | None = None,
    ) -> None:
        use_exact_products()
        self.device = choose_device(config.device)
        precision = choose_precision(config.precision, self.device)
        self.autocast = partial(autocast, self.device, precision)
        if model.config.causal != (data.masking is None):
            raise ValueError(f"with mask={model.config.mask!r} the data must {'not ' * model.config.causal}be masked")
        self.model = model.train()
        set_attend(model, attention_kernel(self.device, precision))
        self.tokenizer = tokenizer
        self.data = data
        self.config = config = config.for_model(model.config)
        self.folder = folder
        self.processes = processes = processes or Processes()
        windows = processes.part_of(config.batch_size)  # of each batch
        boundary = document_boundary(tokenizer, config)
        self.batches = Batches(data, windows, config.seed, self.device, processes.rank, processes.count, boundary)
        if evaluators is None:
            evaluators, final_evaluators = standard_evaluators(tokenizer, data, config, self.autocast, processes)
        self.evaluators, self.final_evaluators = evaluators, final_evaluators
        if config.gradient_checkpointing:
            recompute_blocks(model)
        self.loss = choose_loss(model, windows, config.compile)
        self.routing = Routing(model, processes)
        processes.place(model, self.device, config.sharding)
        self.forward = processes.data_parallel(torch.compile(model) if config.compile else model)
        self.optimizers = build_optimizers(model, config)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == torch.float16)
        self.layers = parameters_by_layer(model)
        self.random_state = RandomState(self.device, config.seed)
        self.step = 0
        self.seconds = 0.0
        self.elapsed = 0.0
        self.tokens_per_second: float | None = None
        self.best_loss = math.inf
        self.evaluations_without_best = 0
        self.stop_reason: str | None = None
        self.last_metrics: StepMetrics | None = None
        self._begun = False
        self._writer = RunWriter(folder, processes) if folder is not None else None

    @property
    def finished(self) -> bool:
        """Whether there is no further step to take; `stop_reason` says why."""
        return self.stop_reason is not None

    def __next__(self) -> StepMetrics:
        """Take one optimizer step.

        Raises:
            StopIteration: all steps are done, or the validation loss has not improved for `patience` evaluations.
            TrainingDiverged: the loss or a gradient is not finite, and the weights are still those before this step;
                or the new weights, or what is measured of them, are not. In a folder, the run has failed.
        """
        if self.finished:
            raise StopIteration
        if not self._begun:
            self.initial_metrics()
        config, started = self.config, time.perf_counter()

        loss = self._accumulate_gradients()
        grad_norm, norms = gradient_norms(self.layers)
        routed = self.processes.mean(self.routing.take(self.device))
        measured = torch.cat([torch.stack([loss, grad_norm, *norms]), routed]).tolist()  # here a step waits for a GPU
        of_layers, of_routers = measured[2 : 2 + len(norms)], measured[2 + len(norms) :]
        self._check_finite(loss=measured[0], grad_norm=measured[1])
        if config.grad_clip > 0:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), config.grad_clip, grad_norm)
        self._update_weights(learning_rate_multiplier(self.step + 1, config))
        self.step += 1

        seconds = time.perf_counter() - started
        self._count_time(seconds)
        metrics = StepMetrics(
            step=self.step,
            tokens=self.step * self._tokens_per_step,
            loss=measured[0],
            learning_rate=learning_rate(self.step, config),
            grad_norm=measured[1] if math.isfinite(measured[1]) else None,  # JSON has no infinity
            grad_norms={name: norm for name, norm in zip(self.layers, of_layers, strict=True) if math.isfinite(norm)},
            tokens_per_second=self.tokens_per_second,
            seconds=self.seconds,
            elapsed=self.elapsed + seconds,
            experts=self.routing.metrics(of_routers),
        )
        if self.step == config.steps or self.step % config.eval_every == 0:
            metrics = self._evaluated(metrics, started, self.evaluators)
            if metrics.evaluation is not None:
                self._compare_with_best(metrics.evaluation.loss)
        if self._ending() is not None:
            metrics = self._evaluated(metrics, started, self.final_evaluators)
        self._record(metrics, started)
        return metrics

    def initial_metrics(self) -> StepMetrics:
        """Evaluation and sample of the untrained model, recorded as step 0; called by the first `next()` if not before.

        Raises:
            ValueError: the run has begun; this was its first row of metrics.
            TrainingDiverged: the untrained model gives NaN or infinity.
        """
        if self._begun:
            raise ValueError(f"step 0 can only be measured before training begins, and this run is at step {self.step}")
        self._begun = True
        started = time.perf_counter()
        metrics = self._evaluated(StepMetrics(0, 0, None, 0.0, None, {}, None, 0.0, 0.0), started, self.evaluators)
        self._record(metrics, started)
        return metrics

    def snapshot(self, state: str = "stopped", message: str = "") -> None:
        """If there is a folder, write a snapshot of this step and the state "stopped" or "paused".

        Raises TrainingDiverged if the weights are not finite.
        """
        if self.folder is None or self.finished:
            return
        if not self._begun:
            self.initial_metrics()
        self._check_weights()
        if self._writer is not None:
            self._writer.interrupt(self, state, message)
        give_back_freed_memory()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on, except the weights: numbers and tensors only."""
        return {
            "step": self.step,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "random_state": self.random_state.state,
            "best_loss": self.best_loss,
            "evaluations_without_best": self.evaluations_without_best,
            "seconds": self.seconds,
            "elapsed": self.elapsed,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from `state`, which `check_state` has passed; the weights of its step are in the model already."""
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.scaler.load_state_dict(state["scaler"])
        self._begun = True
        self.random_state.state = state["random_state"]
        self.step = state["step"]
        self.best_loss = state["best_loss"]
        self.evaluations_without_best = state["evaluations_without_best"]
        self.seconds = state["seconds"]
        self.elapsed = state["elapsed"]
        self.stop_reason = self._ending()
        if self._writer is not None and self.finished:
            self._writer.finish(self)

    @property
    def _tokens_per_step(self) -> int:
        return self.config.batch_size * self.config.accumulation * self.model.config.n_ctx

    def _accumulate_gradients(self) -> Float[Tensor, ""]:
        """The loss and, with the routers' losses, gradients of this process's part; means of all parts."""
        config, processes = self.config, self.processes
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        batches = range(self.step * config.accumulation, (self.step + 1) * config.accumulation)
        with self.random_state.used(processes.rank, processes.count):
            for batch in batches:
                inputs, targets, documents = self.batches.take(batch)  # [batch, pos] each
                forward = partial(self.forward, documents=documents) if documents is not None else self.forward
                processes.average_in_backward(self.forward, batch == batches[-1])
                with self.autocast(), self.routing.observed():
                    part_loss = self.loss(forward, inputs, targets) / config.accumulation
                with_routers = part_loss + self.routing.loss() / config.accumulation
                self.scaler.scale(with_routers).backward()
                self.batches.prepare(batch + 1)
                loss += part_loss.detach()
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)  # type: ignore[arg-type]  # it reads param_groups only
        return processes.mean(loss)

    def _update_weights(self, multiplier: float) -> None:
        """One step of each optimizer, at `multiplier` times its peak learning rate."""
        set_learning_rate(self.optimizers, multiplier)
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)  # type: ignore[arg-type]  # it calls step() only
        self.scaler.update()

    def _evaluated(self, metrics: StepMetrics, started: float, evaluators: Sequence[Evaluator]) -> StepMetrics:
        """The metrics with what these evaluators measure now."""
        measures, problem = take_measures(evaluators, self.model, metrics.step, self.processes)
        if problem is not None:
            self._diverged(problem, self.step)
        elapsed = self.elapsed + time.perf_counter() - started
        return dataclasses.replace(metrics, **measures, elapsed=elapsed)

    def _compare_with_best(self, loss: float) -> None:
        self.evaluations_without_best = 0 if loss < self.best_loss else self.evaluations_without_best + 1
        self.best_loss = min(self.best_loss, loss)

    def _record(self, metrics: StepMetrics, started: float) -> None:
        ending = self._ending()
        if ending is not None or snapshot_due(self.step, self.config.steps):
            self._check_weights()
        self.last_metrics = metrics
        self.stop_reason = ending
        if self._writer is not None:
            self._writer.record(self, metrics)
        if self.finished:
            give_back_freed_memory()
        self.elapsed += time.perf_counter() - started

    def _ending(self) -> str | None:
        if self.step >= self.config.steps:
            return f"all {self.config.steps} steps are done"
        if 0 < self.config.patience <= self.evaluations_without_best:
            return (
                f"stopped early at step {self.step}: {self.evaluations_without_best} evaluations in a row "
                f"had no validation loss below {self.best_loss:.3f}"
            )
        return None

    def _check_finite(self, loss: float, grad_norm: float) -> None:
        if math.isfinite(loss) and math.isfinite(grad_norm):
            return
        if math.isfinite(loss) and self.scaler.is_enabled() and self.scaler.get_scale() >= 1:
            return  # an overflow in float16: the scaler skips this update and tries a smaller scale
        what = f"loss became {loss}" if not math.isfinite(loss) else f"gradient norm became {grad_norm}"
        self._diverged(what, self.step + 1)

    def _check_weights(self) -> None:
        if self.processes.largest(int(not all_finite(self.model.parameters()))):  # each may have other weights
            self._diverged("weights contain NaN or infinity", self.step)

    def _diverged(self, what: str, step: int) -> NoReturn:
        """End the run as failed: in a step not taken (its weights would not be finite), or in the one just taken."""
        message = divergence_message(step, what, self.config, step > self.step, self._writer is not None)
        if self._writer is not None:
            self._writer.fail(self, message)
        raise TrainingDiverged(message) from None

    def _count_time(self, seconds: float) -> None:
        self.seconds += seconds
        rate, before = self._tokens_per_step / seconds, self.tokens_per_second
        # a running mean of seconds per token over about ten steps
        self.tokens_per_second = rate if before is None else 1 / (0.9 / before + 0.1 / rate)
