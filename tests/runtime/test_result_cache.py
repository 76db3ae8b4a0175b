"""Results that are made once, whoever asks, also where the compute thread asks for what is waiting for it."""

import threading

import pytest

from llm.runtime import compute
from llm.runtime.result_cache import ResultCache


def test_the_compute_thread_never_waits_for_a_result_that_waits_for_it():
    cache, asked, busy = ResultCache(2), threading.Event(), threading.Event()

    def make():
        asked.set()
        return compute.run(lambda: "made")  # by a thread that has to wait for the task below

    def task():
        busy.set()
        asked.wait(30)
        return cache.get("key", lambda: "made here")

    inside = compute.submit(task)
    busy.wait(30)
    outside = threading.Thread(target=cache.get, args=("key", make), daemon=True)
    outside.start()
    assert inside.result(30) == "made here"
    outside.join(30)
    assert cache.get("key", lambda: "made again") == "made"


def test_a_result_is_made_once_for_all_who_ask_meanwhile_and_a_failure_is_not_kept():
    cache, made, go_on = ResultCache(2), [], threading.Event()

    def make():
        go_on.wait(30)
        made.append(1)
        return len(made)

    found = []
    asking = [threading.Thread(target=lambda: found.append(cache.get("key", make))) for _ in range(3)]
    for each in asking:
        each.start()
    go_on.set()
    for each in asking:
        each.join(30)
    assert found == [1, 1, 1]

    def fail():
        raise ValueError("once")

    with pytest.raises(ValueError, match="once"):
        cache.get("other", fail)
    assert cache.get("other", lambda: 5) == 5
