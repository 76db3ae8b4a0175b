import importlib
import sys
import threading

import pytest
import torch

from llm.runtime import compute
from llm.runtime.device import choose_device, choose_precision
from llm.runtime.process import process_wide
from llm.runtime.stepwise import stepwise


def forget_project() -> None:
    """Drop this project's modules, as Streamlit does when a source file is edited."""
    for name in [name for name in sys.modules if name == "llm" or name.startswith("llm.")]:
        del sys.modules[name]


@pytest.fixture
def edited_source():
    before = {name: module for name, module in sys.modules.items() if name == "llm" or name.startswith("llm.")}
    yield forget_project
    forget_project()
    sys.modules.update(before)


def thread_name() -> str:
    return threading.current_thread().name


def test_all_tasks_run_in_one_thread_that_is_not_ours():
    names = {compute.run(thread_name) for _ in range(3)} | {compute.submit(thread_name).result()}
    assert len(names) == 1
    assert thread_name() not in names


def test_a_task_may_run_another_task():
    assert compute.run(lambda: compute.run(thread_name)) == compute.run(thread_name)


def test_exceptions_come_through():
    with pytest.raises(ZeroDivisionError):
        compute.run(lambda: 1 // 0)
    assert compute.run(lambda: 1) == 1


def test_items_of_an_iterator_are_tasks_of_their_own():
    order = []

    def numbers():
        try:
            for number in range(3):
                order.append(f"{number} in {thread_name()}")
                yield number
        finally:
            order.append(f"closed in {thread_name()}")

    worker = compute.run(thread_name)
    taken = []
    for number in compute.iterate(numbers()):
        taken.append(number)
        compute.run(order.append, "someone else")
        if number == 1:
            break
    assert taken == [0, 1]
    assert order[:4] == [f"0 in {worker}", "someone else", f"1 in {worker}", "someone else"]


def test_leaving_an_iterator_early_closes_it_in_the_compute_thread():
    closed = []

    def endless():
        try:
            while True:
                yield 0
        finally:
            closed.append(thread_name())

    items = compute.iterate(endless())
    next(items)
    items.close()
    assert closed == [compute.run(thread_name)]


def test_one_object_per_process_survives_an_edited_source_file(edited_source):
    worker = compute.run(thread_name)
    executor = process_wide("compute", lambda: pytest.fail("the executor exists already"))
    edited_source()
    again = importlib.import_module("llm.runtime.compute")
    assert again is not compute
    assert again.run(thread_name) == worker
    again_process = importlib.import_module("llm.runtime.process")
    assert again_process.process_wide("compute", lambda: None) is executor
    assert again.run(lambda: compute.run(thread_name)) == worker  # old code inside new code does not wait for itself


def test_many_threads_get_one_object():
    made, got, ready = [], [], threading.Barrier(8)

    def ask():
        ready.wait()
        got.append(process_wide("test_many_threads", lambda: made.append(1) or object()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(map(id, got))) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_device_is_named_in_a_sentence():
    with pytest.raises(ValueError, match=r"device='cuda' is not possible.*use auto or"):
        choose_device("cuda")
    assert choose_device("auto").type in ("cpu", "mps")


def test_float16_needs_cuda():
    with pytest.raises(ValueError, match="precision='float16' is not possible on cpu"):
        choose_precision("float16", torch.device("cpu"))
    assert choose_precision("bfloat16", torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize(("ability", "wanted"), [
    ("avx512_bf16", torch.bfloat16), ("amx_bf16", torch.bfloat16), ("avx512_f", torch.float32),
])  # fmt: skip
def test_a_cpu_computes_in_bfloat16_where_it_has_the_instructions(monkeypatch, ability, wanted):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {ability: True})
    assert choose_precision("auto", torch.device("cpu")) == wanted


def test_a_stepwise_function_gives_the_same_value_at_once_and_in_parts():
    @stepwise
    def total(numbers):
        so_far = 0
        for number in numbers:
            so_far += number
            yield so_far
        return so_far

    assert total([1, 2, 3]) == 6
    assert list(total.steps([1, 2, 3])) == [1, 3, 6]
    assert compute.finish(total.steps([1, 2, 3])) == 6


def test_what_a_part_raises_reaches_whoever_finishes_the_steps():
    @stepwise
    def failing():
        yield
        raise ValueError("the second part cannot be computed")

    with pytest.raises(ValueError, match="second part"):
        compute.finish(failing.steps())
