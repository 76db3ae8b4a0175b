"""Training to fill in masked tokens: which are masked, what is measured, and what such a run leaves out."""

import math

import pytest
import torch
from tiny_training import TEXT, TRAINING, start

from llm.checkpoints import load_run
from llm.config import ModelConfig
from llm.data import TextData
from llm.data.masking import Masking, measured_tokens
from llm.data.passages import Passages
from llm.loss import NO_TARGET, next_token_loss
from llm.model import Transformer
from llm.presets import preset
from llm.tokenizers import build_tokenizer, load_tokenizer
from llm.training import loss_in_pieces
from llm.training.evaluation import evaluate
from llm.training.loss_in_pieces import LossInPieces
from llm.training.run_evaluation import evaluate_run
from llm.training.trainer import Trainer

CPU = torch.device("cpu")
BOTH_SIDES = {"mask": "bidirectional"}
TOKENIZER = build_tokenizer("char", TEXT).with_mask_token()


def model(**fields) -> Transformer:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_ctx": 16}
    return Transformer(preset("llama", d_vocab=TOKENIZER.d_vocab, **(sizes | BOTH_SIDES | fields))).eval()


def test_of_each_window_a_fraction_is_chosen_and_most_of_it_masked():
    tokens = torch.arange(40).repeat(500, 1)  # [window, pos]: the token says its position
    inputs, targets = Masking(mask_token=1000, fraction=0.15).hide(tokens, range(500), seed=3)
    chosen = targets != NO_TARGET
    assert (chosen.sum(dim=1) == 6).all()
    assert torch.equal(targets[chosen], tokens[chosen]) and torch.equal(inputs[~chosen], tokens[~chosen])
    masked, kept = (inputs == 1000)[chosen], (inputs == tokens)[chosen]
    assert masked.float().mean().item() == pytest.approx(0.8, abs=0.03)
    assert kept.float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert (inputs[chosen][~masked & ~kept] < 1000).all()  # random tokens, and never the mask
    assert chosen.float().mean(dim=0).min() > 0.08  # everywhere in a window


def test_what_is_masked_depends_on_seed_and_window_alone():
    """So it is the same after a resume, and however many processes share a batch."""
    data = TextData.from_text(TEXT, TOKENIZER, 16)
    masked = TextData(data.train, data.validation, 16, masking=Masking(TOKENIZER.mask_token))
    together = masked.batch(6, 2, 7, CPU)
    parts = [masked.batch(2, number, 7, CPU) for number in (6, 7, 8)]
    for whole, part in zip(together, zip(*parts, strict=True), strict=True):
        assert torch.equal(whole, torch.cat(part))
    assert torch.equal(together[1].where(together[1] != NO_TARGET, 0).sign(), (together[1] > 0).long())
    assert not torch.equal(together[1], masked.batch(6, 3, 7, CPU)[1])
    assert not torch.equal(together[1], masked.batch(6, 2, 8, CPU)[1])
    plain, _ = data.batch(6, 2, 7, CPU)
    assert torch.equal(plain[together[1] == NO_TARGET], together[0][together[1] == NO_TARGET])


def test_every_measurement_masks_the_same_tokens_of_each_passage():
    passages = Passages.from_text(TEXT, TOKENIZER)
    first, second = (measured_tokens(passages, TOKENIZER.mask_token) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs) and torch.equal(first.targets, second.targets)
    lengths = passages.starts.diff()
    assert passages.sums(first.targets != NO_TARGET).tolist() == [round(0.15 * length) for length in lengths.tolist()]
    assert (first.targets[: passages.starts[0]] == NO_TARGET).all()  # the first word belongs to no passage


def test_the_loss_is_that_of_the_masked_tokens_from_their_whole_window():
    """By hand: windows of 16 end to end, the last one moved back to the end of the text."""
    passages, network = Passages.from_text(TEXT[:1100], TOKENIZER), model()
    masked = measured_tokens(passages, TOKENIZER.mask_token)
    count, nats, right, asked = len(passages.tokens), 0.0, 0, 0
    assert count % 16
    for begin in range(0, count, 16):
        window = slice(min(begin, count - 16), min(begin, count - 16) + 16)
        with torch.no_grad():
            logits = network(masked.inputs[None, window].long())[0]
        for offset in range(16):
            position = window.start + offset
            target = int(masked.targets[position])
            if target != NO_TARGET and position >= begin:
                nats -= logits[offset].log_softmax(dim=-1)[target].item()
                right += int(logits[offset].argmax() == target)
                asked += 1
    found = evaluate(network, passages, None, 3, masked=masked)
    assert found.tokens == asked == (masked.targets != NO_TARGET).sum()
    assert found.loss == pytest.approx(nats / asked, rel=1e-5)
    assert found.accuracy == right / asked
    expected = found.loss / math.log(2) * asked / found.characters
    assert found.bits_per_character == pytest.approx(expected)
    assert found.characters == pytest.approx(0.15 * passages.characters.sum().item(), rel=0.02)


def test_in_pieces_the_loss_is_the_same(monkeypatch):
    monkeypatch.setattr(loss_in_pieces, "MOST_LOGITS", 100)
    inputs, targets = Masking(TOKENIZER.mask_token).hide(torch.randint(20, (3, 16)), range(3), 0)
    whole, pieces = model(), model()
    expected, found = next_token_loss(whole(inputs), targets), LossInPieces(pieces)(pieces, inputs, targets)
    torch.testing.assert_close(found, expected)
    expected.backward()
    found.backward()
    for one, other in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_no_text_is_encoded_to_the_mask_token_and_it_is_saved(tmp_path):
    for kind in ("char", "bpe", "sentencepiece"):
        plain = build_tokenizer(kind, TEXT + "<|mask|>", 300 if kind == "bpe" else 60)
        tokenizer = plain.with_mask_token()
        assert (plain.mask_token, tokenizer.mask_token) == (
            None,
            plain.d_vocab,
        ) and tokenizer.with_mask_token() is tokenizer
        assert tokenizer.mask_token not in tokenizer.encode("fox <|mask|> saw")
        assert len(tokenizer.characters_per_token) == tokenizer.d_vocab == plain.d_vocab + 1
        tokenizer.save(tmp_path)
        loaded = load_tokenizer(tmp_path)
        assert (loaded.mask_token, loaded.d_vocab) == (tokenizer.mask_token, tokenizer.d_vocab)
        assert loaded.encode("the fox") == plain.encode("the fox")


def test_a_run_learns_from_both_sides_and_records_nothing_of_next_tokens(tmp_path):
    """In this text the token between two others follows from them."""
    trainer = start(tmp_path, **BOTH_SIDES)
    metrics = [trainer.initial_metrics(), *trainer]
    about = trainer.folder.config().raw
    assert about["model"]["mask"] == "bidirectional" and "baselines" not in about and "baselines_of_all" not in about
    assert all(row.sample is None and row.skills is None for row in metrics)
    assert metrics[-1].evaluation.loss < metrics[0].evaluation.loss
    run = load_run(trainer.folder.path)
    assert run.tokenizer.mask_token == run.config.d_vocab - 1
    measured = evaluate_run(run)
    assert measured.baselines is None and not measured.skills
    assert measured.evaluation.loss == pytest.approx(metrics[-1].final_evaluation.loss, abs=0.02)


def test_data_and_model_must_fit():
    data = TextData.from_text(TEXT, TOKENIZER, 16)
    with pytest.raises(ValueError, match="with mask='bidirectional' the data must be masked"):
        Trainer(model(), TOKENIZER, data, TRAINING)
    masked = TextData(data.train, data.validation, 16, masking=Masking(TOKENIZER.mask_token))
    with pytest.raises(ValueError, match="with mask='causal' the data must not be masked"):
        Trainer(model(mask="causal"), TOKENIZER, masked, TRAINING)
    with pytest.raises(ValueError, match="relative_buckets must be at least 4, got 2"):
        ModelConfig(9, **BOTH_SIDES, relative_buckets=2)
