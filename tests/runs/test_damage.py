import contextlib
import io
import os
import pickle
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import given
from run_folders import CONFIGS, MODEL, content, file_damage

from llm import Transformer
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.runs.listing import list_runs
from llm.runs.loading import load_run


def weights_with(trained: RunFolder, **changed: object) -> bytes:
    """The final weights as a file, some of them changed; None leaves one out."""
    tensors = safetensors.torch.load_file(trained.path / "final_model.safetensors")
    tensors = {name: tensor for name, tensor in (tensors | changed).items() if tensor is not None}
    return safetensors.torch.save(tensors, metadata={"step": "3"})


WEIGHTS = {
    "empty": (lambda run: b"", "cannot be read as safetensors"),
    "cut in the header": (lambda run: weights_with(run)[:100], "cannot be read as safetensors"),
    "cut in the weights": (lambda run: weights_with(run)[:-4], "cannot be read as safetensors"),
    "no safetensors": (lambda run: b"\x80\x02}q\x00." * 1000, "cannot be read as safetensors"),
    "a tensor is missing": (lambda run: weights_with(run, **{"embed.W_E": None}), r"lacks embed\.W_E"),
    "a tensor too many": (lambda run: weights_with(run, extra=torch.zeros(1)), "beyond the model's parameters, extra"),
    "another shape": (
        lambda run: weights_with(run, **{"embed.W_E": torch.zeros(8, MODEL.d_vocab)}),
        rf"embed\.W_E is \[8, {MODEL.d_vocab}\], and the model needs \[{MODEL.d_vocab}, 8\]",
    ),
    "whole numbers": (
        lambda run: weights_with(run, **{"embed.W_E": torch.zeros(MODEL.d_vocab, 8, dtype=torch.int32)}),
        r"embed\.W_E holds torch\.int32",
    ),
    "no step": (lambda run: safetensors.torch.save({"x": torch.zeros(1000)}), "cannot be read.*step"),
    "no number as step": (
        lambda run: safetensors.torch.save({"x": torch.zeros(1000)}, metadata={"step": "three"}),
        "cannot be read.*three",
    ),
}


@pytest.mark.parametrize("case", WEIGHTS, ids=str)
def test_damaged_weights_are_one_clear_sentence(trained, case):
    make, problem = WEIGHTS[case]
    path = trained.path / "final_model.safetensors"
    with content(path, make(trained)), pytest.raises(DamagedCheckpointError, match=rf"(?s){problem}") as raised:
        trained.load_weights(Transformer(MODEL), "final")
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("case", CONFIGS, ids=str)
def test_a_damaged_config_is_one_clear_sentence(trained, case):
    damaged, problem = CONFIGS[case]
    with (
        content(trained.path / "config.json", damaged),
        pytest.raises(DamagedCheckpointError, match=rf"is damaged: .*{problem}|{problem}") as raised,
    ):
        load_run(trained.path)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


SMALL_FILES = ["config.json", "tokenizer.json", "metrics.jsonl", "status.json", "final_model.safetensors"]


@pytest.mark.parametrize("name", SMALL_FILES)
@given(file_damage())
def test_no_damage_to_a_file_is_more_than_a_value_error(trained, name, damage):
    path = trained.path / name
    with content(path, damage(path.read_bytes())):
        for read in (lambda: load_run(trained.path), lambda: load_run(trained.path, step=3), trained.config):
            try:
                read()
            except (ValueError, FileNotFoundError) as error:
                assert "\n" not in str(error)
                assert len(str(error)) < 1500
        [listed] = list_runs(trained.path.parent)
        assert listed.id in str(listed.path) and listed.label
        assert isinstance(trained.status().state, str)
        assert all(type(line["step"]) is int for line in trained.read_metrics().rows)


@given(file_damage())
def test_no_damage_to_the_trainers_state_is_more_than_a_damaged_checkpoint(trained, damage):
    path = trained.path / "step_000003" / "trainer.pt"
    with content(path, damage(path.read_bytes())), contextlib.suppress(DamagedCheckpointError):
        assert isinstance(trained.trainer_state(3), dict)


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("serialise", [pickle.dumps, "torch"], ids=["pickle", "torch"])
def test_a_hostile_folder_executes_nothing(trained, tmp_path, serialise):
    marker = tmp_path / "executed"
    if serialise == "torch":
        file = io.BytesIO()
        torch.save({"step": 3, "optimizers": Bomb(marker)}, file)
        bomb = file.getvalue()
    else:
        bomb = serialise(Bomb(marker))
    path = tmp_path / trained.id
    shutil.copytree(trained.path, path)
    folder = RunFolder(path)
    for name in ("step_000003/trainer.pt", "step_000003/model.safetensors", *SMALL_FILES, "tokenizer.model"):
        intact = (path / name).read_bytes() if (path / name).exists() else b""
        (path / name).write_bytes(bomb)
        with contextlib.suppress(ValueError):
            load_run(path)
        with contextlib.suppress(ValueError):
            load_run(path, step=3)
        if name.endswith("trainer.pt"):
            with pytest.raises(DamagedCheckpointError, match=r"trainer\.pt is damaged: it cannot be read"):
                folder.trainer_state(3)
        list_runs(tmp_path)
        (path / name).write_bytes(intact)
    assert not marker.exists()
    with contextlib.suppress(AttributeError):  # torch wonders what came of it
        torch.load(io.BytesIO(bomb), weights_only=False) if serialise == "torch" else pickle.loads(bomb)
    assert marker.exists()  # the bomb was a real one


def test_a_trainers_state_that_is_none_is_reported(trained, tmp_path):
    file = io.BytesIO()
    torch.save([1, 2], file)
    with (
        content(trained.path / "step_000003" / "trainer.pt", file.getvalue()),
        pytest.raises(DamagedCheckpointError, match="does not contain a trainer's state"),
    ):
        trained.trainer_state(3)
