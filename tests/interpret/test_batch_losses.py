"""The batch at a step is the batch that the trainer reads, and its losses are those that training records."""

import pytest
import torch
from tiny_training import start

from llm.checkpoints import load_run
from llm.config import TrainingConfig
from llm.data import TextData
from llm.interpret.batch_losses import BatchLosses, batch_losses, step_windows

SETTINGS = {"steps": 3, "batch_size": 3, "accumulation": 2, "eval_every": 1, "sample_tokens": 0, "seed": 5}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three steps, and the batches that its model read, in their order."""
    config = TrainingConfig(**SETTINGS, eval_windows=2, skill_pairs=0, device="cpu", precision="float32")
    trainer = start(tmp_path_factory.mktemp("runs"), config)
    read, take = [], trainer.batches.take

    def listening(number):
        read.append(take(number))
        return read[-1]

    trainer.batches.take = listening
    list(trainer)
    return trainer.folder.path, read


def data_of(run) -> TextData:
    return TextData.from_text(run.folder.text(), run.tokenizer, run.config.n_ctx)


def test_the_windows_are_those_that_the_trainer_reads(trained):
    path, read = trained
    run = load_run(path)
    config = run.folder.config().training
    assert len(read) == 3 * 2  # steps, and forward passes of each
    for step in (1, 2, 3):
        batches = read[2 * step - 2 : 2 * step]
        inputs, targets = step_windows(data_of(run), config, step)
        assert torch.equal(inputs, torch.cat([batch.inputs for batch in batches]))
        assert torch.equal(targets, torch.cat([batch.targets for batch in batches]))
    with pytest.raises(ValueError, match="step must be at least 1, got 0"):
        step_windows(data_of(run), config, 0)


@pytest.mark.parametrize("step", [0, 1, 2])
def test_with_the_weights_before_a_step_their_mean_is_the_loss_that_training_records(trained, step):
    run = load_run(trained[0], step)
    inputs, targets = step_windows(data_of(run), run.folder.config().training, step + 1)
    recorded = run.folder.read_metrics().rows[step + 1]["loss"]
    assert float(batch_losses(run.model, inputs, targets).losses.mean()) == pytest.approx(recorded, rel=1e-5)


def test_guesses_are_the_most_likely_tokens_in_place_of_each(trained):
    run = load_run(trained[0])
    inputs, targets = step_windows(data_of(run), run.folder.config().training, 1)
    found = batch_losses(run.model, inputs, targets, guesses=2, batch_size=5)
    with torch.no_grad():
        p = run.model(inputs).softmax(-1)
    assert torch.equal(found.guesses, p.argsort(descending=True)[:, :, :2])
    assert torch.allclose(found.probabilities, p.sort(descending=True).values[:, :, :2])
    assert torch.allclose((-found.losses).exp(), p.gather(2, targets.unsqueeze(2)).squeeze(2))


def test_the_hardest_come_first_and_have_their_share_of_the_loss():
    losses = torch.tensor([[1.0, 0.0, 2.0, 0.5, 0.5], [0.5, 4.0, 1.0, 0.25, 0.25]])
    found = BatchLosses(losses, torch.zeros(2, 5, 1), torch.zeros(2, 5, 1))
    assert found.hardest(3) == [(1, 1), (0, 2), (0, 0)]
    assert found.fraction_of_hardest() == 4 / 10
    assert found.fraction_of_hardest(0.2) == 6 / 10
