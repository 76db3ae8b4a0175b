"""Separate documents: no prediction depends on another document, whatever the model, and a run keeps to that."""

import dataclasses
import json

import pytest
import torch
from model_configs import IMPLEMENTATIONS, SIZES, every_config
from tiny_training import TRAINING, same, weights
from token_caches import in_this_process, make

from llm import ModelConfig, Transformer
from llm.checkpoints import load_run
from llm.data.batches import Batches
from llm.data.documents import documents_in
from llm.data.files.text_file import TextFile
from llm.data.split import Split, SplitText, arrange
from llm.data.whole_text import WholeText
from llm.interpret.batch_losses import batch_losses, step_windows
from llm.layers.cache import KeyValueCache
from llm.loss import token_losses
from llm.presets import preset
from llm.runs.corpus import run_corpus
from llm.runs.errors import DamagedCheckpointError
from llm.tokenizers.char import CharTokenizer
from llm.training.run_evaluation import evaluate_run
from llm.training.setup import resume_run, start_again, start_run

CPU = torch.device("cpu")
ROWS = tuple(f"The {word} hen number {number} sat on the gate." for number in range(60) for word in ("red", "old"))
ARRANGED = arrange(
    [TextFile("rows.csv", "table (csv)", ROWS)], Split(validation_fraction=0.2, test_fraction=0.1, split_by="document")
)
MODEL = preset("llama", d_vocab=1, d_model=16, n_layers=1, n_heads=2, n_ctx=32)
SEPARATE = dataclasses.replace(TRAINING, separate_documents=True, precision="float32")


@every_config
def test_a_token_of_one_document_changes_no_logit_of_the_others(config):
    tokens = torch.randint(config.d_vocab, (2, 7))
    documents = torch.tensor([[0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 2, 2]])
    others = tokens.clone()
    others[:, 1] = (others[:, 1] + 1) % config.d_vocab  # of the first document, and of the second one
    models = [Transformer(config, name).double().eval() for name in IMPLEMENTATIONS]
    found = []
    for model in models:
        model.load_state_dict(models[0].state_dict())
        before, after = model(tokens, documents=documents), model(others, documents=documents)
        different = (before - after).abs().amax(dim=-1) > 1e-12  # [batch, pos]
        assert not different[0, 3:].any() and not different[1, 5:].any() and not different[1, 0]
        assert different[0, 1] and different[1, 1]
        before.sum().backward()
        found.append((before, model.embed.W_E.grad))
    for logits, gradient in found[1:]:
        assert torch.allclose(logits, found[0][0], atol=1e-10)
        assert torch.allclose(gradient, found[0][1], atol=1e-10)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("positional", ["rope", "alibi", "relative", "none"])
def test_the_loss_is_that_of_each_document_apart(implementation, positional):
    """Where positions count only by their distance: learned ones go on from one document to the next."""
    model = Transformer(ModelConfig(**(SIZES | {"positional": positional})), implementation).double()
    window = torch.tensor([[5, 1, 2, 3, 30, 4, 6, 8, 30, 7, 9, 2]])  # 30 is the boundary
    inputs, targets = window[:, :-1], window[:, 1:]
    losses = token_losses(model(inputs, documents=documents_in(inputs, 30)), targets)
    together = torch.autograd.grad(losses.sum(), list(model.parameters()))
    alone = torch.cat([token_losses(model(inputs[:, part]), targets[:, part])
                       for part in (slice(0, 4), slice(4, 8), slice(8, 11))], dim=1)  # fmt: skip
    apart = torch.autograd.grad(alone.sum(), list(model.parameters()))
    assert torch.allclose(losses, alone, atol=1e-10)
    assert all(torch.allclose(one, other, atol=1e-10) for one, other in zip(together, apart, strict=True))


def test_the_boundary_begins_its_document_and_windows_of_one_need_no_mask():
    windows = torch.tensor([[1, 9, 2, 3], [9, 9, 1, 1]])
    assert documents_in(windows, 9).tolist() == [[0, 1, 1, 1], [1, 2, 2, 2]]
    assert documents_in(windows, 7) is None and documents_in(windows, None) is None


def test_a_text_and_its_token_cache_have_the_same_batches(tmp_path, monkeypatch):
    in_this_process(monkeypatch)
    texts = [f"{name} sat on {count}.\n" * 10 for count in range(9) for name in ("hen", "fox", "cow")]
    cache = make(tmp_path, texts)
    begins = tuple(len("".join(texts[:number])) for number in range(len(texts)))
    whole = dataclasses.replace(SplitText.by_characters("".join(texts)), documents=begins)
    text = WholeText(whole, cache.tokenizer)
    assert torch.equal(text.train_tokens(), cache.train_tokens())
    assert torch.equal(text.passages("validation").tokens, cache.passages("validation").tokens)
    boundary = cache.tokenizer.end_of_text
    batches = [Batches(corpus.data(64), 8, 3, CPU, boundary=boundary) for corpus in (text, cache)]
    for number in range(5):
        first, second = (part.take(number) for part in batches)
        assert all(map(torch.equal, first, second))
        assert first.documents.amax() >= 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    trainer = start_run(MODEL, SEPARATE, "char", ARRANGED, "rows.csv", tmp_path_factory.mktemp("a"))
    list(trainer)
    return trainer


TABLE_SPLIT = dataclasses.replace(SplitText.by_characters("").split, split_by="document", validation_fraction=0.2)


def test_a_run_states_it_and_resumes_bit_for_bit(finished, tmp_path):
    stopped = start_run(MODEL, SEPARATE, "char", ARRANGED, "rows.csv", tmp_path)
    for _ in range(5):
        next(stopped)
    stopped.snapshot()
    resumed = resume_run(stopped.folder.path)
    list(resumed)
    assert same(weights(resumed), weights(finished))
    about = json.loads((resumed.folder.path / "config.json").read_text())
    assert about["training"]["separate_documents"] and len(about["text"]["documents"]) == len(ROWS)
    again = start_again(finished.folder.path, tmp_path)
    list(again)
    assert same(weights(again), weights(finished))


def test_what_is_measured_later_is_what_training_measured(finished):
    rows = finished.folder.read_metrics().rows
    run = load_run(finished.folder.path)
    measured = evaluate_run(run, skill_pairs=0).evaluation
    assert measured.loss == pytest.approx(rows[-1]["final_evaluation"]["loss"], abs=1e-6)
    data = run_corpus(run.folder, run.tokenizer).data(MODEL.n_ctx)
    before = load_run(finished.folder.path, step=4).model
    windows = step_windows(data, SEPARATE, 5)
    with_boundary, without = (
        float(batch_losses(before, *windows, boundary=boundary).losses.mean())
        for boundary in (run.tokenizer.end_of_text, None)
    )
    assert with_boundary == pytest.approx(rows[5]["loss"], abs=1e-6) != pytest.approx(without, abs=1e-6)


def test_the_tokenizer_that_was_given_stays_as_it_was(tmp_path):
    tokenizer = CharTokenizer.train("".join(ROWS) + "\n")
    trainer = start_run(MODEL, SEPARATE, "char", ARRANGED, "", tmp_path, tokenizer=tokenizer)
    assert tokenizer.end_of_text is None and trainer.tokenizer.end_of_text == tokenizer.d_vocab
    assert len(trainer.tokenizer.characters_per_token) == tokenizer.d_vocab + 1


def test_one_document_is_refused_and_so_is_a_cache(tmp_path):
    with pytest.raises(ValueError, match="separate_documents must be off with this text, which is one document"):
        start_run(MODEL, SEPARATE, "char", "a fox sat.\n" * 300, "fox.txt", tmp_path)
    assert not list(tmp_path.iterdir())
    model = Transformer(dataclasses.replace(MODEL, d_vocab=9))
    tokens = torch.zeros((1, 3), dtype=torch.int64)
    with pytest.raises(ValueError, match="documents cannot be given with a cache"):
        model(tokens, KeyValueCache(model.config), tokens)


def test_damaged_documents_are_refused_in_a_sentence(finished, tmp_path):
    path = finished.folder.path / "config.json"
    intact = path.read_text()
    for damaged in ([5, 9], [0, 9, 4], [0, 10**9], [0, "x"]):
        about = json.loads(intact)
        about["text"]["documents"] = damaged
        path.write_text(json.dumps(about))
        with pytest.raises(DamagedCheckpointError, match="the documents of its text are not within it"):
            run_corpus(finished.folder, finished.tokenizer)
    path.write_text(intact)
