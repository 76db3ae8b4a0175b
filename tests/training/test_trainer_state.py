"""A resumed run checks all that it reads before it trains, and loses nothing where it cannot."""

import copy
import io
import math
import shutil
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from odd_folders import MISTYPED

from llm.config import TrainingConfig
from llm.presets import preset
from llm.runs.errors import DamagedCheckpointError
from llm.training.setup import resume_run, start_run

VALUES = (*MISTYPED, torch.zeros(3), torch.zeros(0, dtype=torch.int8))


@pytest.fixture(scope="module", params=["adamw", "muon"])
def stopped(request, tmp_path_factory):
    """The folder of a run that was stopped at step 3."""
    model = preset("llama", d_vocab=1, d_model=16, n_layers=1, n_heads=2, n_ctx=16)
    training = TrainingConfig(
        steps=12, batch_size=2, eval_windows=2, sample_tokens=2, device="cpu", optimizer=request.param
    )
    folder = tmp_path_factory.mktemp("stopped")
    trainer = start_run(model, training, "char", "a red fox saw a red bird\n" * 40, "foxes.txt", folder)
    for _ in range(3):
        next(trainer)
    trainer.snapshot()
    trainer.folder.unlock()
    return trainer.folder


@pytest.fixture
def path(stopped, tmp_path):
    """A copy of the stopped run that can be changed."""
    return shutil.copytree(stopped.path, tmp_path / stopped.id)


def mutations(value: Any) -> Iterator[Any]:
    """The state with each of its values replaced, or left out, one at a time."""
    if isinstance(value, dict):
        for key in value:
            yield {other: value[other] for other in value if other != key}
            yield from (value | {key: changed} for changed in mutations(value[key]))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from ([*value[:index], changed, *value[index + 1 :]] for changed in mutations(inner))
    yield from (copy.copy(other) for other in VALUES)


def test_a_changed_trainer_state_is_reported_or_trains(path):
    file = path / "step_000003" / "trainer.pt"
    intact, metrics = file.read_bytes(), (path / "metrics.jsonl").read_bytes() + b'{"step": 4, "loss": 1.0}\n'
    states = list(mutations(torch.load(file, weights_only=True)))
    for state in states[:: max(1, len(states) // 60)]:
        (path / "metrics.jsonl").write_bytes(metrics)
        buffer = io.BytesIO()
        torch.save(state, buffer)
        file.write_bytes(buffer.getvalue())
        try:
            trainer = resume_run(path)
        except DamagedCheckpointError as error:
            assert "\n" not in str(error)
            assert (path / "metrics.jsonl").read_bytes() == metrics
        else:
            next(trainer)
            trainer.folder.unlock()
            file.parent.joinpath("trainer.pt").write_bytes(intact)
            shutil.rmtree(path / "step_000004", ignore_errors=True)


def first_mean(state: dict[str, Any], change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change a running mean of gradients, which both optimizers have."""
    found = state["optimizers"][0]["state"][0]
    name = next(name for name in found if name != "step")
    found[name] = change(found[name])


def count_of_steps(state: dict[str, Any], value: float) -> None:
    found = next(of for optimizer in state["optimizers"] for of in optimizer["state"].values() if "step" in of)
    found["step"] = torch.tensor(value)


WRONG = {
    "elements that share memory": lambda state: first_mean(state, lambda mean: torch.zeros(()).expand(mean.shape)),
    "a tensor without memory": lambda state: first_mean(state, lambda mean: mean.to("meta")),
    "a value of two lines": lambda state: state.update(step=torch.zeros(2, 1)),
    "a number of many digits": lambda state: state.update(step=10**5000),
    "another number format": lambda state: first_mean(state, torch.Tensor.double),
    "a mean with NaN": lambda state: first_mean(state, lambda mean: torch.full_like(mean, math.nan)),
    "another shape": lambda state: first_mean(state, lambda mean: torch.zeros(2, 3)),
    "more steps than the run has": lambda state: count_of_steps(state, 1e30),
    "NaN steps": lambda state: count_of_steps(state, math.nan),
    "a best loss of NaN": lambda state: state.update(best_loss=math.nan),
    "fewer than no evaluations": lambda state: state.update(evaluations_without_best=-1),
    "time without end": lambda state: state.update(seconds=math.inf),
    "another random state": lambda state: state.update(random_state=torch.zeros_like(state["random_state"])),
    "a sparse random state": lambda state: state.update(random_state=torch.ones(4).to_sparse()),
    "a field too many": lambda state: state.update(more=1),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_state_that_no_step_could_use_is_refused_and_nothing_is_lost(path, wrong, recwarn):
    file = path / "step_000003" / "trainer.pt"
    with (path / "metrics.jsonl").open("a") as metrics:
        metrics.write('{"step": 4, "loss": 1.0}\n')
    rows = (path / "metrics.jsonl").read_bytes()
    state = torch.load(file, weights_only=True)
    WRONG[wrong](state)
    torch.save(state, file)
    with pytest.raises(DamagedCheckpointError, match=r"trainer\.pt is damaged") as raised:
        resume_run(path)
    assert "\n" not in str(raised.value)
    assert not recwarn.list  # the command line would print a warning above the sentence
    assert (path / "metrics.jsonl").read_bytes() == rows


def test_torchs_older_format_is_not_read(path):
    file = path / "step_000003" / "trainer.pt"
    archive, state = file.read_bytes(), torch.load(file, weights_only=True)
    torch.save(state, file, _use_new_zipfile_serialization=False)
    with file.open("ab") as end:
        end.write(archive)  # a zip archive may begin anywhere in a file
    with pytest.raises(DamagedCheckpointError, match=r"trainer\.pt is damaged: it cannot be read"):
        resume_run(path)


def test_a_compressed_trainer_state_is_not_unpacked(path):
    file = path / "step_000003" / "trainer.pt"
    with zipfile.ZipFile(io.BytesIO(file.read_bytes())) as plain, zipfile.ZipFile(file, "w", 8) as packed:
        for entry in plain.infolist():
            packed.writestr(entry.filename, plain.read(entry))
    with pytest.raises(DamagedCheckpointError, match=r"trainer\.pt is damaged"):
        resume_run(path)


def test_a_resumed_run_needs_room_and_a_tokenizer_that_fits(path):
    config = (path / "config.json").read_text()
    (path / "config.json").write_text(config.replace('"d_mlp": ', '"d_mlp": 9999999999'))
    with pytest.raises(DamagedCheckpointError, match="bytes cannot hold the"):
        resume_run(path)
    (path / "config.json").write_text(config.replace('"n_ctx": 16', '"n_ctx": 20000'))
    with pytest.raises(DamagedCheckpointError, match=r"do not fit together \(The text is too short"):
        resume_run(path)
    (path / "config.json").write_text(config.replace('"sample_prompt": "', '"sample_prompt": "9'))
    with pytest.raises(DamagedCheckpointError, match=r"do not fit together .*'9'"):
        resume_run(path)
    d_vocab = config.split('"d_vocab": ')[1].split(",")[0]
    (path / "config.json").write_text(config.replace(f'"d_vocab": {d_vocab}', '"d_vocab": 7', 1))
    with pytest.raises(DamagedCheckpointError, match="tokens, and the model's d_vocab is 7"):
        resume_run(path)
