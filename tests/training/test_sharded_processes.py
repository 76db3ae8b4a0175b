"""Several processes, each with a part of every parameter, train the run of one process, but for rounding."""

import dataclasses
from unittest import mock

import pytest
import torch.distributed.fsdp  # noqa: F401  # once here, and not in each process
from run_folders import rows_without_times
from several_processes import FLOAT32, ForkedProcesses, assert_close, lose_a_process, start

from llm.costs import activations
from llm.runs.folder import RunFolder
from llm.runs.weights import read_weights
from llm.runtime.processes import Processes
from llm.runtime.sharding import local
from llm.training import loss_in_pieces
from llm.training.setup import resume_run

SHARDED = dataclasses.replace(FLOAT32, sharding="full", steps=8, eval_every=4, sample_tokens=4)


def in_pieces(processes, *args):
    """`sharded`, with the loss computed in pieces."""
    with mock.patch.object(activations, "MOST_LOGITS", 500), mock.patch.object(loss_in_pieces, "MOST_LOGITS", 500):
        return sharded(processes, *args)


def sharded(processes, folder, training=SHARDED, architecture="llama", steps=100, **overrides):
    """Train a new run, or resume it if `folder` is a run; its path, and how many numbers this process has of what."""
    resumed = (folder / "config.json").exists()
    new = (folder, training, architecture)
    trainer = resume_run(folder, processes) if resumed else start(processes, *new, **overrides)
    while not trainer.finished and trainer.step < steps:
        next(trainer)
    trainer.snapshot()
    weights = {name: local(weight).numel() for name, weight in trainer.model.named_parameters()}
    states = [sum(value.numel() for value in state.values() if value.dim())
              for optimizer in trainer.optimizers for state in optimizer.state.values()]  # fmt: skip
    return trainer.folder.path, weights, sum(states)


def last_weights(path):
    folder = RunFolder(path)
    return read_weights(folder.weights_file(folder.snapshots()[-1]))[1]


def assert_same_weights(path, expected):
    found, wanted = last_weights(path), last_weights(expected)
    assert found.keys() == wanted.keys()
    for name in wanted:  # of keys' biases: see test_processes
        assert name.endswith("b_K") or found[name].numpy() == pytest.approx(wanted[name].numpy(), abs=2e-4), name


CASES = {
    "gpt, tied, loss in pieces": (in_pieces, SHARDED, "gpt"),
    "llama, offloaded": (sharded, dataclasses.replace(SHARDED, sharding="offload"), "llama"),
    "olmo, adamw, accumulation, separate documents": (
        sharded,
        dataclasses.replace(
            SHARDED, optimizer="adamw", accumulation=2, gradient_checkpointing=True, separate_documents=True
        ),
        "olmo",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_sharded_run_is_that_of_one_process(case, forked, tmp_path):
    job, training, architecture = CASES[case]
    results = forked.run(2, job, tmp_path / "several", training, architecture)
    path, alone = results[0][0], sharded(Processes(), tmp_path / "alone", training, architecture)
    assert_same_weights(path, alone[0])
    assert_close(rows_without_times(RunFolder(path)), rows_without_times(RunFolder(alone[0])))
    assert RunFolder(path).status().state == "finished"
    for name, size in alone[1].items():
        parts = [weights[name] for _, weights, _ in results]
        assert sum(parts) == size and max(parts) < 0.52 * size, name  # the vocabulary is odd
    parts = [states for _, _, states in results]
    assert sum(parts) == alone[2] > 0 and max(parts) < 0.51 * alone[2]


def with_experts(processes, folder):
    """Three experts: of two processes one has two of each stack's matrices, and one has one."""
    return sharded(processes, folder, SHARDED, "llama", n_experts=3, d_mlp=16, load_balance_loss=1.0)


def test_a_sharded_run_of_experts_is_that_of_one_process(forked, tmp_path):
    results = forked.run(2, with_experts, tmp_path / "several")
    path, (alone, sizes, _) = results[0][0], with_experts(Processes(), tmp_path / "alone")
    assert_same_weights(path, alone)
    assert_close(rows_without_times(RunFolder(path)), rows_without_times(RunFolder(alone)))
    assert [3 * weights["blocks.0.mlp.W_in"] // sizes["blocks.0.mlp.W_in"] for _, weights, _ in results] == [2, 1]


def dropping(processes, folder, steps):
    return sharded(processes, folder, SHARDED, "gpt", steps, dropout=0.3)


def test_started_on_four_a_run_goes_on_in_two_and_then_alone(forked, tmp_path):
    """Two heads among four: two processes have no rows of an attention matrix."""
    path, weights, _ = forked.run(4, sharded, tmp_path / "several", SHARDED, "llama", 3)[3]
    assert weights["blocks.0.attention.W_Q"] == 0 < weights["blocks.0.mlp.W_in"]
    forked.run(2, sharded, path, SHARDED, "llama", 5)
    sharded(Processes(), path)
    alone, _, _ = sharded(Processes(), tmp_path / "alone")
    assert_same_weights(path, alone)
    assert_close(rows_without_times(RunFolder(path)), rows_without_times(RunFolder(alone)))


def test_with_dropout_a_sharded_run_resumes_bit_for_bit_in_as_many_processes(forked, tmp_path):
    straight, _, _ = forked.run(2, dropping, tmp_path / "straight", 7)[0]
    path, _, _ = forked.run(2, dropping, tmp_path / "stopped", 5)[0]
    forked.run(2, dropping, path, 7)
    found, expected = last_weights(path), last_weights(straight)
    assert all((found[name] == expected[name]).all() for name in expected)
    assert rows_without_times(RunFolder(path)) == rows_without_times(RunFolder(straight))


def test_a_process_that_dies_ends_the_others_and_the_run_goes_on_alone_from_its_snapshot(tmp_path):
    processes = ForkedProcesses(2)
    try:
        [(lost, path, snapshots)] = processes.run(2, lose_a_process, tmp_path, SHARDED, answering=1)
    finally:
        processes.end()
    assert (lost, snapshots) == (True, [0, 1, 2, 4])
    trainer = resume_run(path)
    assert trainer.step == 4
    list(trainer)
    assert RunFolder(path).status().state == "finished"
