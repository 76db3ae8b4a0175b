"""Edited code runs in a separate process that contains its errors, loops and memory use, and reports its changes."""

import os
from pathlib import Path

import pytest

from llm import TrainingConfig, preset
from llm.trace.sandbox import forward_source, try_edit
from llm.trace.sessions import open_session
from llm.training.setup import start_run

pytestmark = pytest.mark.slow

TEXT = "The hen sat on the gate.\nThe fox sat under it & waited.\n\n" * 60
PROMPT = "The hen sat"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    config = preset("gpt", d_vocab=1, d_model=16, n_layers=2, n_heads=2, n_ctx=32)
    training = TrainingConfig(steps=40, batch_size=8, eval_every=40, eval_windows=2, sample_tokens=0, device="cpu")
    trainer = start_run(config, training, "char", TEXT, "hens.txt", tmp_path_factory.mktemp("home"))
    for _ in trainer:
        pass
    return trainer.folder.path


@pytest.fixture(scope="module")
def trace(run):
    return open_session(run, None, PROMPT).trace("blocks.0.attention", "einops")


def attempt(run, trace, old: str, new: str, **limits):
    code = forward_source(trace)
    assert old in code
    return try_edit(run, None, PROMPT, trace, code.replace(old, new, 1), **limits)


def test_unedited_code_changes_nothing(run, trace):
    trial = attempt(run, trace, "query", "query")
    assert trial.error is None and trial.first_change is None and trial.wrong_shapes == ()
    assert (
        trial.loss_after
        == trial.loss_before
        == pytest.approx(open_session(run, None, PROMPT).text.forward_pass.loss, 1e-5)
    )


def test_a_forgotten_mask_changes_scores_and_loss(run, trace):
    trial = attempt(run, trace, "scores.masked_fill(_future(scores), -torch.inf)", "scores")
    assert trial.error is None and trial.loss_after != trial.loss_before
    changed = forward_source(trace).split("\n")[trial.first_change.line - 1]
    assert "masked_fill" in changed and trial.first_change.text.startswith("scores has changed")


def test_swapped_axes_are_reported_with_their_line(run, trace):
    trial = attempt(run, trace, "-> batch head pos d_head", "-> batch head d_head pos")
    assert trial.first_change.text == "query was [1, 2, 11, 8] and is now [1, 2, 8, 11]"
    assert trial.first_change.line == trial.wrong_shapes[0].line
    assert "states [batch, head, pos, d_head]" in trial.wrong_shapes[0].text
    assert trial.error is not None and trial.loss_after is None
    assert forward_source(trace).split("\n")[trial.error_line - 1] != ""


@pytest.mark.parametrize(
    ("new", "error"),
    [
        ("query = = einsum(", "SyntaxError"),
        ("query = nothing(", "NameError: name 'nothing' is not defined"),
        ("raise SystemExit(3); query = einsum(", "SystemExit"),
        ("import os; os._exit(7); query = einsum(", "ended without a result"),
        ("query = torch.zeros(2**40); query = einsum(", "RuntimeError"),
        ("open('big', 'wb').write(bytes(2**24)); query = einsum(", "OSError|File too large"),
    ],
)
def test_errors_are_reported_and_stay_in_the_process(run, trace, new, error):
    trial = attempt(run, trace, "query = einsum(", new)
    assert any(part in trial.error for part in error.split("|")), trial
    assert trial.loss_after is None and trial.loss_before is not None
    if "_exit" in new:
        return  # the process could not report the line
    assert trial.error_line == next(
        i for i, line in enumerate(forward_source(trace).split("\n"), 1) if "query = einsum(" in line
    )


def test_an_endless_loop_is_stopped(run, trace):
    trial = attempt(run, trace, "query = einsum(", "while True: pass\n    query = einsum(", seconds=6)
    assert "was stopped" in trial.error and trial.loss_after is None
    assert [entry for entry in Path("/proc").iterdir() if _is_worker_of_this_process(entry)] == []


def _is_worker_of_this_process(process: Path) -> bool:
    try:
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        return parent == str(os.getpid()) and b"sandbox_worker" in (process / "cmdline").read_bytes()
    except OSError:
        return False


def test_code_that_is_too_long_is_rejected(run, trace):
    with pytest.raises(ValueError, match="at most 20,000 characters, got 30,000"):
        try_edit(run, None, PROMPT, trace, "#" * 30_000)
