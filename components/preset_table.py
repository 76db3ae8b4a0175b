"""A table of presets beside each other: a row for each field in which they differ, with the reasons."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from components.shared.field_names import PLAIN_NAMES
from llm.presets import ARCHITECTURES, TITLES
from llm.presets.comparison import Row

STYLE = """<style>
.llm-presets-frame { container-type: inline-size; }
.llm-presets { width: 100%; border-collapse: collapse; font-size: 0.875rem; line-height: 1.4; table-layout: fixed; }
.llm-presets th, .llm-presets td { text-align: left; vertical-align: top; padding: 0.5rem 0.6rem;
  border-bottom: 1px solid var(--llm-line); font-weight: normal; overflow-wrap: anywhere; }
.llm-presets thead th, .llm-presets strong { font-weight: 600; }
.llm-presets th:first-child { width: 11rem; }
.llm-presets code { font-size: 0.75rem; color: var(--llm-quiet); background: none; padding: 0; }
.llm-presets-why { color: var(--llm-quiet); font-size: 0.8rem; }
.llm-presets-name { display: none; }
@container (max-width: 40rem) {
  .llm-presets thead { display: none; }
  .llm-presets tr { display: block; border-bottom: 1px solid var(--llm-line); padding: 0.4rem 0; }
  .llm-presets th, .llm-presets td { display: block; border: 0; padding: 0.15rem 0.2rem; width: auto; }
  .llm-presets-name { display: inline; }
}
</style>"""


def preset_table(names: Sequence[str], rows: Sequence[Row]) -> None:
    """Show the table; on a narrow page a row's cells stand below each other."""
    head = "".join(
        f'<th scope="col"><strong>{escape(TITLES[name])}</strong><br>'
        f'<span class="llm-presets-why">{escape(ARCHITECTURES[name].paper)}</span></th>'
        for name in names
    )
    body = "".join(_row(names, row) for row in rows)
    st.html(
        f'{STYLE}<div class="llm-presets-frame"><table class="llm-presets"><thead><tr><th scope="col">Setting</th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(names: Sequence[str], row: Row) -> str:
    cells = "".join(
        f'<td><span class="llm-presets-name">{escape(TITLES[name])}: </span><strong>{escape(value)}</strong>'
        f'<div class="llm-presets-why">{escape(reason)}</div></td>'
        for name, value, reason in zip(names, row.values, row.reasons, strict=True)
    )
    plain = PLAIN_NAMES["ModelConfig"][row.field]
    return f'<tr><th scope="row">{escape(plain)}<br><code>{escape(row.field)}</code></th>{cells}</tr>'
