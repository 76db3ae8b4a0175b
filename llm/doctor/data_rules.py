"""Rules about the text."""

from __future__ import annotations

from llm.costs import parameter_count
from llm.doctor.finding import Finding
from llm.doctor.record import RunRecord

MOST_EPOCHS = 4  # up to which repeated text is nearly as good as new (Muennighoff et al. 2023, arXiv:2305.16264)


def text_too_small(record: RunRecord) -> Finding | None:
    """The text has fewer tokens than the model has parameters, and is read more than four times."""
    length, parameters = record.config.about(int, "text", "train_tokens"), parameter_count(record.config.model).total
    training = record.config.training
    if not length or length >= parameters:
        return None
    tokens = training.steps * training.batch_size * training.accumulation * record.config.model.n_ctx
    if tokens <= MOST_EPOCHS * length:
        return None
    return Finding(
        "text_too_small", "hint", "The text is small for this model.",
        f"{length:,} training tokens for {parameters:,} parameters, {length / parameters:.2g} tokens a parameter; "
        f"the run reads each {tokens / length:.1f} times.",
        f"Try a text about {parameters / length:,.2g} times as long, or a smaller model.",
    )  # fmt: skip


DATA_RULES = (text_too_small,)
