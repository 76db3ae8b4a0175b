"""With a large vocabulary the loss of a batch is computed in pieces: training is the same but for rounding."""

import dataclasses

import pytest
from tiny_training import TRAINING, start

from llm.costs import activations
from llm.training import loss_in_pieces


@pytest.mark.parametrize("architecture", ["gpt", "llama"])  # tied, and not
def test_training_in_pieces_is_that_with_all_logits(architecture, tmp_path, monkeypatch):
    training = dataclasses.replace(TRAINING, precision="float32", steps=6, eval_every=3)
    rows = []
    for most_logits in (activations.MOST_LOGITS, 500):  # a batch has 64 positions of some 29 tokens
        monkeypatch.setattr(activations, "MOST_LOGITS", most_logits)
        monkeypatch.setattr(loss_in_pieces, "MOST_LOGITS", most_logits)
        trainer = start(tmp_path / str(most_logits), training, architecture)
        assert isinstance(trainer.loss, loss_in_pieces.LossInPieces) == (most_logits == 500)
        rows.append([metrics.row() for metrics in trainer])
    for pieces, plain in zip(*rows, strict=True):
        assert pieces["loss"] == pytest.approx(plain["loss"], rel=1e-5)
        assert pieces["grad_norms"] == pytest.approx(plain["grad_norms"], rel=1e-4)
        assert (pieces["evaluation"] is None) == (plain["evaluation"] is None)
        if plain["evaluation"] is not None:
            assert pieces["evaluation"]["loss"] == pytest.approx(plain["evaluation"]["loss"], rel=1e-5)
