"""Several processes train one run: it is the run that one process would have trained, but for rounding."""

import dataclasses

import pytest
import torch
from run_folders import rows_without_times
from several_processes import FLOAT32, ForkedProcesses, assert_close, lose_a_process, numbers, start, train, weights

from llm.config import TrainingConfig
from llm.runs.folder import RunFolder
from llm.runtime.processes import Processes
from llm.runtime.random_state import RandomState
from llm.training.branching import start_branch
from llm.training.divergence import TrainingDiverged
from llm.training.evaluation import evaluate
from llm.training.setup import resume_run


def dropping(processes, folder, steps):
    return train(processes, folder, FLOAT32, "gpt", steps=steps, dropout=0.3)


def until(processes, folder, steps):
    return train(processes, folder, steps=steps)


CASES = {
    "gpt, tied, four": (4, FLOAT32, "gpt"),
    "llama, two": (2, FLOAT32, "llama"),
    "olmo, adamw, accumulation, separate documents, four": (
        4,
        dataclasses.replace(FLOAT32, optimizer="adamw", accumulation=2, separate_documents=True),
        "olmo",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_several_processes_train_as_one_does(case, forked, tmp_path):
    count, training, architecture = CASES[case]
    results = forked.run(count, train, tmp_path / "several", training, architecture)
    alone, expected = train(Processes(), tmp_path / "alone", training, architecture)
    assert {path for path, _ in results} == {results[0][0]}  # one run
    for _, found in results:
        assert all((found[name] == results[0][1][name]).all() for name in expected)  # bit for bit in all processes
        for name in expected:
            # a bias of keys adds the same to all scores of a query: its gradient is 0 but for rounding, of which AdamW
            # makes steps of full length
            assert name.endswith("b_K") or found[name] == pytest.approx(expected[name], abs=2e-4), name
    assert_close(rows_without_times(RunFolder(results[0][0])), rows_without_times(RunFolder(alone)))
    assert RunFolder(results[0][0]).config().raw["conditions"]["processes"] == count
    assert RunFolder(results[0][0]).status().state == "finished"


def with_experts(processes, folder):
    return train(processes, folder, n_experts=4, d_mlp=16, load_balance_loss=1.0)


def filling_in(processes, folder):
    return train(processes, folder, mask="bidirectional")


def test_several_processes_fill_in_the_masked_tokens_that_one_does(forked, tmp_path):
    """Each masks its own windows, and measures its part of the masked validation text."""
    path, found = forked.run(2, filling_in, tmp_path / "several")[0]
    alone, expected = filling_in(Processes(), tmp_path / "alone")
    assert all(found[name] == pytest.approx(expected[name], abs=2e-4) for name in expected)
    assert_close(rows_without_times(RunFolder(path)), rows_without_times(RunFolder(alone)))


def test_several_processes_balance_the_experts_of_all_as_one_does(forked, tmp_path):
    """The fraction of tokens that an expert has is counted over all of them: the gradient is that of one process."""
    path, found = forked.run(2, with_experts, tmp_path / "several")[0]
    alone, expected = with_experts(Processes(), tmp_path / "alone")
    for name, weight in expected.items():
        assert found[name] == pytest.approx(weight, abs=2e-4), name
    assert_close(rows_without_times(RunFolder(path)), rows_without_times(RunFolder(alone)))


def test_a_run_started_on_four_goes_on_in_two_and_then_alone(forked, tmp_path):
    path, _ = forked.run(4, until, tmp_path / "several", 5)[0]
    forked.run(2, until, path, 8)
    resumed, found = until(Processes(), path, 100)
    alone, expected = until(Processes(), tmp_path / "alone", 100)
    assert_close(rows_without_times(RunFolder(resumed)), rows_without_times(RunFolder(alone)))
    assert all(found[name] == pytest.approx(expected[name], abs=2e-4) for name in expected)
    [first, second] = RunFolder(path).config().raw["resumed"]
    assert [(entry["step"], entry["conditions"]["processes"]) for entry in (first, second)] == [(5, 2), (8, 1)]


def branching(processes, path, step):
    trainer = start_branch(path, step, processes=processes)
    list(trainer)
    return trainer.folder.path, weights(trainer)


def test_several_processes_branch_off_together_bit_for_bit(forked, tmp_path):
    path, expected = forked.run(2, dropping, tmp_path, 100)[0]
    results = forked.run(2, branching, path, 4)
    assert results[0][0] == results[1][0] != path
    for _, found in results:
        assert all((found[name] == expected[name]).all() for name in expected)


def test_with_dropout_a_run_resumes_bit_for_bit_in_as_many_processes(forked, tmp_path):
    straight, expected = forked.run(2, dropping, tmp_path / "straight", 100)[0]
    path, _ = forked.run(2, dropping, tmp_path / "stopped", 7)[0]
    _, found = forked.run(2, dropping, path, 100)[1]
    assert all((found[name] == expected[name]).all() for name in expected)
    assert rows_without_times(RunFolder(path)) == rows_without_times(RunFolder(straight))


def test_each_process_draws_other_numbers_and_one_state_continues_all():
    def drawn(rank: int, state: torch.Tensor | None = None) -> torch.Tensor:
        random_state = RandomState(torch.device("cpu"), 0)
        if state is not None:
            random_state.state = state
        with random_state.used(rank, 2):
            numbers = torch.rand(4)
        with random_state.used(rank, 2):
            later = torch.rand(4)
        states.append(random_state.state)
        return torch.cat([numbers, later])

    states: list[torch.Tensor] = []
    first, second = drawn(0), drawn(1)
    assert len({*first.tolist(), *second.tolist()}) == 16
    assert torch.equal(*states)
    assert not torch.equal(drawn(0, states[0]), first)


def measured(processes, folder):
    trainer = start(processes, folder)
    read = []
    trainer.model.register_forward_hook(lambda model, inputs, output: read.append(len(inputs[0])))
    found = evaluate(trainer.model, trainer.data.validation, None, 4, processes=processes)
    return found, sum(read)


def test_the_windows_of_an_evaluation_are_shared_out(forked, tmp_path):
    expected, windows = measured(Processes(), tmp_path / "alone")
    results = forked.run(4, measured, tmp_path / "several")
    for found, read in results:
        assert numbers(dataclasses.asdict(found)) == pytest.approx(numbers(dataclasses.asdict(expected)), rel=1e-5)
        assert read <= windows // 4 + 1
    assert sum(read for _, read in results) == windows > 8


def diverging(processes, folder):
    trainer = start(processes, folder)
    if processes.rank == 1:
        trainer.evaluators.append(lambda model, step: {"well_formed": float("nan")} if step == 5 else {})
    try:
        list(trainer)
    except TrainingDiverged as error:
        return str(error), trainer.folder.status().state


def test_what_one_process_finds_not_finite_ends_all_of_them(forked, tmp_path):
    (first, state), (second, _) = forked.run(2, diverging, tmp_path)
    assert "in step 5: the well_formed became nan" in first
    assert (first.split(":")[0], state) == (second.split(":")[0], "failed")


def refused(processes, folder, batch_size):
    try:
        start(processes, folder, TrainingConfig(batch_size=batch_size, device="cpu"))
    except ValueError as error:
        return str(error)


def test_a_batch_that_the_processes_cannot_share_is_refused_in_all_and_leaves_nothing(forked, tmp_path):
    results = forked.run(4, refused, tmp_path, 6)
    assert set(results) == {results[0]}
    assert "batch_size must be divisible by the number of processes, 4, of which" in results[0]
    assert list(tmp_path.iterdir()) == []


def failing(processes, folder):
    def work():
        if processes.rank == 1:
            raise OSError(28, "No space left on device", str(folder))
        return processes.rank

    try:
        return processes.together(work)
    except ValueError as error:
        return str(error)


def test_what_fails_in_one_process_is_said_in_all(forked, tmp_path):
    sentence = f"in the process of rank 1: {tmp_path}: No space left on device"
    assert forked.run(3, failing, tmp_path) == [sentence] * 3


def test_a_process_that_dies_ends_the_others_and_the_run_resumes_from_its_snapshot(tmp_path):
    processes = ForkedProcesses(2)
    try:
        [(lost, path, snapshots)] = processes.run(2, lose_a_process, tmp_path, answering=1)
    finally:
        processes.end()
    assert (lost, snapshots) == (True, [0, 1, 2, 4])
    assert RunFolder(path).status().state == "interrupted"
    assert resume_run(path).step == 4
