"""The columns of the table of runs in plain words."""

from __future__ import annotations

from components.shared.field_names import PLAIN_NAMES
from llm.config import describe
from llm.runs.notes import one_line
from llm.runs.table import CONFIGS
from llm.world.asking import PLAIN_NAMES as SKILLS
from llm.world.asking import SKILLS as ABOUT_SKILLS

HEADINGS = {
    "title": "Run",
    "loss_curve": "Loss curve",
    "step": "Step",
    "steps": "Of steps",
    "loss": "Validation loss",
    "state": "State",
    "tags": "Tags",
    "text_name": "Text",
    "tokenizer": "Tokenizer",
    "parameters": "Parameters",
    "created": "Started",
    "disk_bytes": "On disk, MB",
    "model": "Model",
    "name": "Name",
    "note": "Note",
    "architecture": "Architecture",
    "size": "Size",
    "standard_error": "Standard error of the loss",
    "branched_from": "Goes on from run",
    "branched_at": "Goes on from step",
    "changed": "Changed there",
    "measured_step": "Step of the validation loss",
    "problem": "Problem",
    "id": "Id",
}
MEASURES = {
    "loss": "Loss, nats per token",
    "standard_error": "Standard error of the loss",
    "perplexity": "Perplexity",
    "accuracy": "Accuracy",
    "accuracy_standard_error": "Standard error of the accuracy",
    "bits_per_character": "Bits per character",
    "bits_per_character_standard_error": "Standard error of the bits per character",
    "passages": "Passages measured",
    "tokens": "Tokens measured",
    "characters": "Characters measured",
}


def heading(column: str) -> str:
    """The head of a column. What a run folder from elsewhere measured can have any name."""
    part, _, name = column.partition(".")
    if column in HEADINGS:
        return HEADINGS[column]
    if part in CONFIGS:
        return PLAIN_NAMES[CONFIGS[part].__name__][name]
    if part == "skills":
        return f"Skill: {SKILLS.get(name, one_line(name))}"
    return MEASURES.get(name) or one_line(column)


def option(column: str) -> str:
    """The column in a list of all of them, where it is found by its plain name and by its own."""
    named = heading(column)
    return named if column in HEADINGS or named == column else f"{named} · {one_line(column)}"


def label(column: str) -> str:
    """The label of a control for this column, as Markdown: what can be any text is code."""
    part, _, name = column.partition(".")
    own = f"`{one_line(column).replace('`', '')}`"
    if column in HEADINGS:
        return HEADINGS[column]
    return f"{heading(column)} {own}" if part in CONFIGS or name in MEASURES or name in SKILLS else own


def about(column: str) -> str | None:
    """What a column holds, in a sentence; None: its head says it."""
    part, _, name = column.partition(".")
    if part in CONFIGS and name:
        return f"{name}: {describe(CONFIGS[part])[name].help}"
    return f"{name}: accuracy at predicting {ABOUT_SKILLS[name]}" if part == "skills" and name in SKILLS else None
