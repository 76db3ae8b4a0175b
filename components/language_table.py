"""The table of what the same message costs in several languages, by each tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import streamlit as st

from components.shared import states
from components.shared.controls import choose_one
from components.shared.session import Address, Session
from components.tokenizer_choice import TokenizerChoice
from llm.runtime.files import error_text
from llm.tokenizers.languages import ENGLISH, Cost, language_costs

FIGURES = {
    "tokens": "Tokens",
    "english": "Times English",
    "character": "Tokens per character",
    "byte": "Tokens per byte",
}
MEANING = (
    "It is the same message everywhere, so what takes more tokens costs more: a window of `n_ctx` tokens holds less of "
    "it, training and generating take as many times longer, and a service that is paid by the token is as many times "
    "dearer. Training merged what was frequent in its text; of scripts that it hardly saw, single bytes are left, two "
    "to four for each character. An empty cell: the message has characters that the training text of this tokenizer "
    "lacks, and it knows no bytes."
)


def language_table(choices: Mapping[str, TokenizerChoice]) -> None:
    """Choose a figure, and show it for each language and tokenizer."""
    figure = choose_one("tokenizer", Address.FIGURE, "Show", FIGURES, "tokens")
    costs: dict[str, list[Cost]] = {}
    problems: list[str] = []
    for choice in choices.values():
        try:
            with states.loading("Counting the tokens of each language"):
                costs[choice.title] = language_costs(choice.open())
        except (ValueError, OSError) as error:
            problems.append(f"{choice.title}: {error_text(error)}")
    if costs:
        _show(costs, figure)
    for problem in problems:
        st.text(problem)


def _show(costs: Mapping[str, list[Cost]], figure: str) -> None:
    table = pd.DataFrame({title: _column(rows, figure) for title, rows in costs.items()})
    most = float(table.max(numeric_only=True).max())
    digits = "%d" if figure == "tokens" else "%.2f"
    texts = next(iter(costs.values()))
    table.insert(0, "language", [cost.language for cost in texts])
    table["text"] = [cost.text.replace("\n", "↵") for cost in texts]
    bars = {
        title: st.column_config.ProgressColumn(title, format=digits, min_value=0, max_value=most) for title in costs
    }
    st.dataframe(
        table, key=Session.TOKENIZER_LANGUAGES, hide_index=True, height="content", placeholder="",
        column_config={
            "language": st.column_config.TextColumn("Language", pinned=True),
            "text": st.column_config.TextColumn("The message", width="large"),
        }
        | bars,
    )  # fmt: skip
    st.markdown(f"**What it means.** {MEANING}")


def _column(costs: list[Cost], figure: str) -> list[float | None]:
    """The figure in each language; None where the tokenizer cannot express the message."""
    english = next(cost.tokens for cost in costs if cost.language == ENGLISH)
    value: Mapping[str, Callable[[Cost], float | None]] = {
        "tokens": lambda cost: cost.tokens,
        "english": lambda cost: cost.tokens / english if cost.tokens and english else None,
        "character": lambda cost: cost.per_character,
        "byte": lambda cost: cost.per_byte,
    }
    return [value[figure](cost) for cost in costs]
