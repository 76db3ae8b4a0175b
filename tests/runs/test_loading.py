import dataclasses
import math
import shutil

import pytest
import safetensors.torch
import torch
from model_configs import IMPLEMENTATIONS
from run_folders import ABOUT, MODEL, TEXT, TOKENIZER, bits, new_run, row

from llm import Transformer
from llm.runs.errors import DamagedCheckpointError
from llm.runs.folder import RunFolder
from llm.runs.loading import load_run
from llm.tokenizers import build_tokenizer
from llm.tokenizers.char import CharTokenizer


def test_final_comes_before_best_before_the_newest_snapshot(trained, tmp_path):
    path = tmp_path / trained.id
    shutil.copytree(trained.path, path)
    assert load_run(path).step == 3
    (path / "final_model.safetensors").unlink()
    assert load_run(path).step == 2
    (path / "best_model.safetensors").unlink()
    assert load_run(str(path)).step == 3
    shutil.rmtree(path / "step_000003")
    assert load_run(path).step == 0
    shutil.rmtree(path / "step_000000")
    with pytest.raises(FileNotFoundError, match="has no weights yet"):
        load_run(path)


def test_a_given_step_is_loaded_with_the_metrics_up_to_it(trained):
    for step in (0, 3):
        run = load_run(trained.path, step=step)
        assert run.step == step
        assert run.metrics == [row(earlier) for earlier in range(step + 1)]
        saved = safetensors.torch.load_file(trained.path / f"step_{step:06d}" / "model.safetensors")
        assert all(torch.equal(saved[name], parameter) for name, parameter in run.model.named_parameters())
    with pytest.raises(FileNotFoundError, match="has no weights of step 2: its snapshots are 0, 3"):
        load_run(trained.path, step=2)


def test_a_loaded_run_is_ready_to_use(trained):
    run = load_run(trained.path)
    assert not run.model.training
    assert run.config == run.model.config == MODEL
    assert run.tokenizer.encode(TEXT) == TOKENIZER.encode(TEXT)
    assert run.folder.path == trained.path
    assert run.model(torch.tensor([run.tokenizer.encode("fox")])).shape == (1, 3, MODEL.d_vocab)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("tied", [True, False])
def test_weights_come_back_bit_for_bit(tmp_path, implementation, tied):
    config = dataclasses.replace(MODEL, tie_embeddings=tied, qk_norm=True)
    folder = new_run(tmp_path, ABOUT | {"model": dataclasses.asdict(config)})
    model = Transformer(config)
    with torch.no_grad():
        special = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e-45, 1.1754944e-38, 3.4028235e38]
        model.embed.W_E[0] = torch.tensor(special)
    for save in (
        lambda: folder.save_snapshot(7, model, {}, {}, keep_mb=100),
        lambda: folder.save_model("best", model, 7),
        lambda: folder.save_model("final", model, 7),
    ):
        save()
        run = load_run(folder.path, implementation=implementation)
        assert bits(run.model) == bits(model)
        assert run.step == 7
        assert run.model.implementation == implementation


def test_weights_that_do_not_fit_change_nothing(trained):
    model = Transformer(dataclasses.replace(MODEL, d_mlp=7))
    before = bits(model)
    with pytest.raises(DamagedCheckpointError, match=r"W_in is \[8, 6\], and the model needs \[8, 7\]"):
        trained.load_weights(model, "final")
    assert bits(model) == before


def test_a_tokenizer_that_is_missing_or_of_another_size_is_reported(trained, tmp_path):
    path = tmp_path / trained.id
    shutil.copytree(trained.path, path)
    CharTokenizer("abc").save(path)
    with pytest.raises(DamagedCheckpointError, match=rf"3 tokens, and the model's d_vocab is {MODEL.d_vocab}"):
        load_run(path)
    (path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="There is no tokenizer"):
        load_run(path)


@pytest.mark.parametrize("kind", ["bpe", "sentencepiece"])
def test_a_run_holds_its_tokenizer_of_any_kind(tmp_path, kind):
    text = "a red fox saw a red bird\n" * 20
    tokenizer = build_tokenizer(kind, text, d_vocab=270)
    config = dataclasses.replace(MODEL, d_vocab=tokenizer.d_vocab)
    folder = RunFolder.create(tmp_path, ABOUT | {"model": dataclasses.asdict(config)}, tokenizer, text)
    folder.save_model("final", Transformer(config), 1)
    loaded = load_run(folder.path).tokenizer
    assert type(loaded) is type(tokenizer)
    assert loaded.encode(text) == tokenizer.encode(text)
