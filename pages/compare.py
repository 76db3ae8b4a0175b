"""Compare: two to eight runs beside each other, their curves, settings and skills, and what they write."""

from collections.abc import Sequence

import streamlit as st

from components.same_prompt import side_by_side
from components.shared import states
from components.shared.controls import choose_one
from components.shared.help import explain
from components.shared.runs_choice import choose_runs
from components.shared.session import Address, Session, forget, keep
from components.views import comparison
from components.views.comparison.explanations import EXPLAINED
from llm.comparison.bands import seed_groups
from llm.comparison.curves import UNITS
from llm.comparison.fairness import unfair
from llm.comparison.run import LETTERS, ComparedRun, default_unit, told_apart
from llm.comparison.significance import sentences

SHORT = {"step": "Steps", "tokens": "Tokens", "seconds": "Seconds", "flops": "FLOPs"}


def page() -> None:
    """The runs; their curves, settings and skills; and what they write."""
    st.title("Compare")
    st.markdown(
        "Two to eight runs beside each other: which one learned more from the same text, steps or arithmetic, and what "
        "was different about it?"
    )
    chosen = choose_runs(len(LETTERS), "A comparison")
    if chosen is None:
        return
    with states.loading("Reading the runs"):
        runs = opened(chosen)
    if len(runs) < 2:
        states.empty(
            "One more run" if runs else "Choose two runs",
            "A comparison needs at least two. Choose another run above, or train one with a setting changed and see "
            "what that setting does.",
            "train.py", "Train a run",
        )  # fmt: skip
        return
    axis, unit = choose_axes(runs)
    logarithmic, as_bands = choose_drawing(runs)
    show_verdicts(runs, unit)
    if reasons := unfair(runs, axis, unit):
        with st.container(border=True):
            st.markdown(":material/balance: **Compare with care**")
            st.text("\n".join(f"• {reason}" for reason in reasons))
    else:
        st.caption(":material/balance: Nothing was found that makes this comparison unfair.")
    comparison.show(runs, axis, unit, logarithmic, as_bands)
    explain("What do these figures mean?", *EXPLAINED)
    st.subheader("The same prompt and seed")
    side_by_side(runs)


def opened(chosen: Sequence[str]) -> tuple[ComparedRun, ...]:
    """The chosen runs; one that cannot be read is reported and left out."""
    runs: list[ComparedRun] = []
    for run_id in chosen:
        try:
            runs.append(comparison.open_run(run_id, LETTERS[len(runs)]))
        except (ValueError, OSError) as error:
            states.failed(error)
    return told_apart(runs)


def show_verdicts(runs: Sequence[ComparedRun], unit: str) -> None:
    """Whether the lowest loss is more than noise."""
    found = sentences(runs, unit)
    with st.container(border=True):
        st.markdown(":material/query_stats: **More than noise?**")
        unknown = "Nothing can be said yet: the runs have no losses with standard errors on the same passages."
        st.text("\n".join(found) or unknown)


def choose_axes(runs: Sequence[ComparedRun]) -> tuple[str, str]:
    """What the curves are drawn over, and in which unit."""
    default = default_unit(runs)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        axis = choose_one("compare", Address.AXIS, "Draw by", SHORT, "step")
        # a control for either default, so that other runs start with theirs
        unit = choose_one(f"compare-{default}", Address.UNIT, "Loss in", UNITS, default)
    if unit == default:
        forget(Address.UNIT)
    if default == "bits":
        st.caption(
            "These runs have different tokenizers. A longer token is harder to predict, so nats per token do not "
            "compare; bits per character count the same text, however it is split."
        )
    return axis, unit


def choose_drawing(runs: Sequence[ComparedRun]) -> tuple[list[str], bool]:
    """Which axes are logarithmic, and whether runs that differ only in their seed become one band."""
    with st.container(horizontal=True, vertical_alignment="center"):
        given = st.query_params.get(Address.LOG, "")
        logarithmic = [
            name for name, label in (("x", "Logarithmic horizontally"), ("y", "Logarithmic vertically"))
            if st.toggle(label, name in given, key=Session.COMPARE_LOG.of(name))
        ]  # fmt: skip
        groups = [group for group in seed_groups(runs) if len(group) > 1]
        as_bands = bool(groups) and st.toggle(
            "One band for runs that differ only in their seed", st.query_params.get(Address.BAND) == "1",
            key=Session.COMPARE_BAND,
        )  # fmt: skip
    keep(Address.LOG, "".join(logarithmic))
    keep(Address.BAND, "1" if as_bands else "")
    return logarithmic, as_bands


page()
