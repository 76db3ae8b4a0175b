"""Rules about the steps themselves: training loss, learning rate, gradients. One function a rule; None: not found."""

from __future__ import annotations

import math
from itertools import groupby
from statistics import median

from llm.config import TrainingConfig, describe
from llm.doctor.finding import Finding
from llm.doctor.record import BlockMean, RunRecord, noise
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.training.divergence import DIVERGED, REMEDY
from llm.training.optimizers import REGISTRY as OPTIMIZERS

SURE = 4  # standard errors by which two means of training losses must differ
BLOCKS = 10  # into which the steps after warm-up are divided
SHORTEST = 50  # steps after warm-up, below which these rules say nothing
NOTICEABLE = 0.02  # a change of the loss, as a fraction of it
SPIKE = 10  # standard deviations of a step's loss
BEFORE_SPIKE = 20  # steps whose median a spike is above
FAR_ABOVE_CLIP = 3  # times grad_clip
NEARLY_ALL = 0.95  # of the steps
LOW = 1 / 3  # of the rate that suits the model
FAR_TOO_HIGH = 30  # times the rate that suits the model
ABOVE_UNIFORM = 1.1  # times the loss of guessing every token alike
IN_A_ROW = 10  # steps
VANISHING = 1e-3  # of the median layer's gradient norm


def diverged(record: RunRecord) -> Finding | None:
    """The loss, a gradient or a weight became NaN or infinite."""
    if not record.message.startswith(DIVERGED):
        return None
    reason = record.message.removesuffix(REMEDY).strip()
    return Finding("diverged", "wrong", "Training diverged: a number became NaN or infinite.", reason,
                   f"Try a third of the learning rate: {_rates(record, LOW)}.")  # fmt: skip


def learning_rate_far_too_high(record: RunRecord) -> Finding | None:
    """A learning rate is many times what suits the model, or the training loss was above guessing for steps on end.

    Such a run may recover once the rate decays, but would have learned more without.
    """
    ratios = {name: ratio for name, ratio in _rate_ratios(record).items() if ratio >= FAR_TOO_HIGH}
    worse = [] if loss_spike(record) is not None else _worse_than_guessing(record)
    if not ratios and not worse:
        return None
    evidence = [f"{name} {getattr(record.config.training, name):g} is {ratio:.3g} times what suits this model."
                for name, ratio in ratios.items()]  # fmt: skip
    if worse:
        highest = max(worse, key=lambda index: record.losses[index])
        evidence.append(
            f"In {len(worse):,} steps, from step {record.steps[worse[0]]:,} on, the training loss was above "
            f"{math.log(record.config.model.d_vocab):.2f}, that of guessing every token alike; in step "
            f"{record.steps[highest]:,} it was {record.losses[highest]:.2f}."
        )
    usual = " and ".join(f"{name} {_suiting(record, name):.2g}" for name in ratios)
    return Finding(
        "learning_rate_far_too_high", "wrong", "The learning rate is far too high.", " ".join(evidence),
        f"Try {usual}." if usual else f"Try a third of it: {_rates(record, LOW)}.",
    )  # fmt: skip


def loss_spike(record: RunRecord) -> Finding | None:
    """Two steps in a row after warm-up whose losses are far above those before."""
    losses, sigma = record.losses, noise(record.losses[record.warm :])
    if len(losses) - record.warm < SHORTEST:
        return None
    worst = None
    for at in range(max(record.warm, BEFORE_SPIKE), len(losses) - 1):
        usual = median(losses[at - BEFORE_SPIKE : at])
        height = min(losses[at : at + 2]) - usual
        if height > max(SPIKE * sigma, 10 * NOTICEABLE * usual) and (worst is None or height > worst[0]):
            worst = height, at, usual
    if worst is None:
        return None
    _, at, usual = worst
    evidence = (
        f"In step {record.steps[at]:,} it was {losses[at]:.3f}, after a median of {usual:.3f} over the "
        f"{BEFORE_SPIKE} steps before; from one step to the next it usually differs by about {sigma:.3f}."
    )
    advice = f"Try grad_clip {record.config.training.grad_clip / 3 or 1:.2g}."
    return Finding("loss_spike", "wrong", "The training loss has a spike.", evidence, advice)


def learning_rate_too_high(record: RunRecord) -> Finding | None:
    """After warm-up the training loss rises again above a mean that it had reached, and not by a single spike."""
    if len(record.losses) - record.warm < SHORTEST or loss_spike(record) is not None:
        return None
    if (rise := _greatest_rise(record.block_means(BLOCKS))) is None:
        return None
    low, high, last = rise
    falls_again = last.loss < high.loss - SURE * math.sqrt(2) * high.error
    evidence = (
        f"Its mean over {(len(record.losses) - record.warm) // BLOCKS} steps was {low} until step {low.step:,} and "
        f"{high} until step {high.step:,}; {_clipped_fraction(record):.0%} of the gradients were clipped."
    )
    return Finding(
        "learning_rate_too_high", "wrong",
        f"The training loss {'oscillates' if falls_again else 'rises'} after warm-up: the learning rate is too high.",
        evidence, f"Try a third of it: {_rates(record, LOW)}.",
    )  # fmt: skip


def gradients_clipped(record: RunRecord) -> Finding | None:
    """Nearly every gradient after warm-up is far above the maximum norm, and the learning rate is no reason for it."""
    norms, limit = record.grad_norms[record.warm :], record.config.training.grad_clip
    if limit == 0 or len(norms) < SHORTEST:
        return None
    fraction, usual = _clipped_fraction(record), median(norms)
    if fraction < NEARLY_ALL or usual < FAR_ABOVE_CLIP * limit or learning_rate_far_too_high(record) is not None:
        return None
    return Finding(
        "gradients_clipped", "hint", "Gradients are clipped in nearly every step.",
        f"{fraction:.1%} of the gradients after warm-up were scaled down to grad_clip {limit:g}; their median norm is "
        f"{usual:.2g}. So only the direction of a gradient counts, not how steep the loss is.",
        f"Try grad_clip {2 * usual:.1g}, or, if the loss does not fall, a third of the learning rate.",
    )  # fmt: skip


def learning_rate_too_low(record: RunRecord) -> Finding | None:
    """The run has ended above the bigram line, without a rise, at a rate far below one that suits the model."""
    ratio, measured, line = _rate_ratio(record), record.validation, record.baselines.get("bigram")
    if not record.ended or ratio >= LOW or len(record.losses) - record.warm < SHORTEST:
        return None
    if measured is None or line is None or not line.clearly_below(measured):
        return None
    first, *_, last = record.block_means(5)
    if last.loss > first.loss + SURE * math.sqrt(2) * first.error:
        return None
    return Finding(
        "learning_rate_too_low", "wrong", "The loss falls slowly: the learning rate is too low.",
        f"The training loss was {first} in the first fifth of the steps and {last} in the last one; the validation "
        f"loss, {measured}, is still above the bigram line, {line}. {_rates(record, 1)} is {ratio:.2g} times what "
        "suits this model.",
        f"Try {_rates(record, 1 / ratio)}.",
    )  # fmt: skip


def too_short(record: RunRecord) -> Finding | None:
    """The run has ended, and its training loss was still falling."""
    fall, validation = _fall_at_the_end(record), [measured.loss for measured in record.evaluations]
    if not record.ended or fall is None or (validation and min(validation) < validation[-1]):
        return None
    before, last = fall
    steps = record.config.training.steps
    return Finding(
        "too_short", "hint", "The loss was still falling when the run ended.",
        f"Training loss {before} in the fourth fifth of the steps, {last} in the last one; no earlier validation loss "
        "is lower than the last.",
        f"Try {2 * steps:,} steps instead of {steps:,}.",
    )  # fmt: skip


def vanishing_gradients(record: RunRecord) -> Finding | None:
    """A layer whose gradient is 0, or far smaller than the others', so that it hardly learns."""
    recent = record.layer_norms[-max(SHORTEST // 2, len(record.layer_norms) // 4) :]
    names = list(recent[-1]) if recent else []
    usual = {name: median(norms.get(name) or 0.0 for norms in recent) for name in names}
    if len(recent) < SHORTEST // 2 or not names or (middle := median(usual.values())) == 0:
        return None
    weak = {name: norm for name, norm in usual.items() if norm < VANISHING * middle}
    if not weak:
        return None
    shown = ", ".join(f"{name} {norm:.2g}" for name, norm in weak.items())
    dead = all(norm == 0 for norm in weak.values())
    model = record.config.model
    advice = "Try another seed." if dead else f"Try fewer layers than {model.n_layers}."
    if NORM_POSITIONS[model.norm_position].stream:
        advice = "Try norm_position pre."
    return Finding(
        "vanishing_gradients", "wrong", f"{'No' if dead else 'Hardly any'} gradient reaches {' and '.join(weak)}.",
        f"Median gradient norm over the last {len(recent):,} steps: {shown}; of the layer in the middle {middle:.2g}.",
        advice,
    )  # fmt: skip


TRAINING_RULES = (
    learning_rate_far_too_high, diverged, loss_spike, learning_rate_too_high, learning_rate_too_low, gradients_clipped,
    vanishing_gradients, too_short,
)  # fmt: skip


def _greatest_rise(blocks: list[BlockMean]) -> tuple[BlockMean, BlockMean, BlockMean] | None:
    """The lowest block before the highest rise, the block it rises to, and the last one; None if none is certain."""
    low, rise = blocks[0], None
    for block in blocks[1:]:
        if block.loss < low.loss:
            low = block
        elif rise is None or block.loss - low.loss > rise[1].loss - rise[0].loss:
            rise = low, block
    if rise is None:
        return None
    height = rise[1].loss - rise[0].loss
    certain = height > max(SURE * math.sqrt(2) * low.error, NOTICEABLE * low.loss)
    return (*rise, blocks[-1]) if certain else None


def _fall_at_the_end(record: RunRecord) -> tuple[BlockMean, BlockMean] | None:
    """Mean training loss of the last fifth but one of the steps and of the last; None unless it certainly falls."""
    if len(record.losses) - record.warm < SHORTEST:
        return None
    *_, before, last = record.block_means(5)
    certain = before.loss - last.loss > max(SURE * math.sqrt(2) * last.error, NOTICEABLE / 2 * last.loss)
    return (before, last) if certain else None


def _clipped_fraction(record: RunRecord) -> float:
    norms, limit = record.grad_norms[record.warm :], record.config.training.grad_clip
    return sum(norm > limit for norm in norms) / len(norms) if norms and limit else 0.0


def _rates(record: RunRecord, multiplier: float) -> str:
    """The run's learning rates times this, as in "learning_rate 0.003"."""
    training = record.config.training
    names = OPTIMIZERS[training.optimizer].learning_rates
    return " and ".join(f"{name} {multiplier * getattr(training, name):.2g}" for name in names)


def _rate_ratio(record: RunRecord) -> float:
    """The run's learning rate relative to the default for its model; of several rates the greatest ratio."""
    return max(_rate_ratios(record).values())


def _rate_ratios(record: RunRecord) -> dict[str, float]:
    """Each of the run's learning rates relative to the default for its model."""
    training, fields = record.config.training, describe(TrainingConfig)
    names = [name for name in OPTIMIZERS[training.optimizer].learning_rates if name in fields]
    return {name: getattr(training, name) / _suiting(record, name) for name in names}


def _suiting(record: RunRecord, name: str) -> float:
    """The default of a learning rate for the run's model."""
    optimizer, model = record.config.training.optimizer, record.config.model
    return float(getattr(TrainingConfig(optimizer=optimizer).for_model(model), name))


def _worse_than_guessing(record: RunRecord) -> list[int]:
    """Indices of steps whose loss is clearly above that of guessing, in stretches long enough to be no accident.

    An untrained model may begin there, so the first stretch counts only if it has no end.
    """
    bar = ABOVE_UNIFORM * math.log(record.config.model.d_vocab)
    found: list[int] = []
    for above, group in groupby(range(len(record.losses)), lambda index: record.losses[index] > bar):
        stretch = list(group)
        starting = stretch[0] == 0 and (stretch[-1] < len(record.losses) - 1 or len(stretch) < SHORTEST)
        if above and len(stretch) >= IN_A_ROW and not starting:
            found += stretch
    return found
