"""What happened in a run, on the page Train: what the run doctor finds, with its numbers and what to try."""

from __future__ import annotations

import streamlit as st

from components.shared import states
from components.shared.session import Session
from llm.checkpoints import RunFolder
from llm.doctor import Diagnosis, diagnose
from llm.doctor.finding import Finding
from llm.runtime.result_cache import ResultCache

LOOKS = {
    "wrong": ":material/error: :red[**Wrong**]",
    "hint": ":material/lightbulb: :orange[**Hint**]",
    "fine": ":material/check_circle: :green[**Fine**]",
}
_diagnoses: ResultCache[Diagnosis] = ResultCache(50)


def what_happened(folder: RunFolder, state: str) -> None:
    """A section, open once the run has ended; closed, it reads nothing."""
    running = state in ("starting", "running")
    section = st.expander(
        "What happened so far" if running else "What happened", expanded=not running, on_change="rerun",
        key=Session.TRAIN_DOCTOR.of(folder.id, "running" if running else "ended"), icon=":material/stethoscope:",
    )  # fmt: skip
    if section.open:
        with section:
            _show(folder, running)


def _show(folder: RunFolder, running: bool) -> None:
    metrics, status = (folder.path / name for name in ("metrics.jsonl", "status.json"))
    version = tuple((file, file.stat().st_mtime_ns) for file in (metrics, status) if file.is_file())
    with states.loading("Reading what was measured"):
        diagnosis = _diagnoses.get(version, lambda: diagnose(folder.path))
    if running:
        st.caption(f"As of step {diagnosis.step:,} of {diagnosis.steps:,}.")
        st.button("Look again", icon=":material/refresh:", key=Session.TRAIN_DOCTOR_AGAIN)
    for finding in diagnosis.findings:
        _show_finding(finding)
    if not diagnosis.findings:
        st.markdown("Nothing to say: the rules need more steps, or more validation text.")
    st.caption(f"Also in a terminal: `uv run llm doctor {folder.id}`. Each rule is defined in docs/measures.md.")


def _show_finding(finding: Finding) -> None:
    """As plain text: what it quotes may be markup."""
    with st.container(gap=None):
        st.markdown(LOOKS[finding.kind])
        st.text("\n".join(filter(None, (finding.what, finding.evidence, finding.advice))))
