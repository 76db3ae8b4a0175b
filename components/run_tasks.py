"""What tasks of lm-eval measured of the open run."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from llm.checkpoints import RunFolder, RunSummary
from llm.runs.task_metrics import read_task_metrics
from llm.runtime.text import with_error

COLUMNS = ("Step", "Task", "Metric", "Value", "Documents")


def show_tasks(run: RunSummary) -> None:
    """A table of all that was measured; where there is nothing yet, how to measure."""
    with st.expander("Measured with tasks of lm-eval", icon=":material/checklist:"):
        found = read_task_metrics(RunFolder(run.path).tasks_file)
        if not found:
            st.caption("Nothing yet. In a terminal, with the package lm-eval, this measures the story world's skills:")
            st.code(f"uv run llm evaluate {run.path} --tasks story_world", language="bash", wrap_lines=True)
            return
        rows = [
            (row.step, row.task, row.metric, with_error(row.value, row.standard_error), row.documents) for row in found
        ]
        st.dataframe(pd.DataFrame(rows, columns=COLUMNS), hide_index=True)
