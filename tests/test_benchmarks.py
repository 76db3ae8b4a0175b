"""Each row of the benchmarks can be built, and compares models of the same size."""

import pytest
import torch

from benchmarks.__main__ import ROWS, measure
from benchmarks.rows import Row
from benchmarks.tokenizing import TEXT

WITH_PEER = ("time-", "training-", "generation-", "batch-small-", "batch-medium-")


@pytest.mark.parametrize("name", [name for name in ROWS if not name.startswith(("bpe", "gpu"))])
def test_a_row_compares_models_of_the_same_size(name):
    row = ROWS[name]()
    assert row.bar > 0 and row.peer_name
    assert (row.parameters is not None) == name.startswith(WITH_PEER)
    if row.parameters is not None:
        ours, peer = row.parameters
        assert ours == pytest.approx(peer, rel=0.02)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU, on which the rows can be measured")
def test_without_a_gpu_its_rows_say_so():
    names = [name for name in ROWS if name.startswith("gpu")]
    assert len(names) == 6
    for name in names:
        with pytest.raises(ValueError, match="device='cuda' is not possible"):
            ROWS[name]()


@pytest.mark.skipif(not TEXT.exists(), reason="the rows of BPE need a text that is not part of the project")
def test_the_rows_of_bpe_encode_one_text():
    assert {name for name in ROWS if name.startswith("bpe")} == {
        "bpe-training-1024", "bpe-training-8192", "bpe-encoding",
    }  # fmt: skip


def test_a_work_that_measures_its_own_time_is_taken_at_its_word():
    row = Row(lambda: 2.0, lambda: 3.0, "peer", 1.0)
    result = measure("row", row, 2)
    assert (result.ours, result.peer, result.ratio) == ([2.0, 2.0], [3.0, 3.0], 1.5)
    assert measure("row", Row(lambda: 2.0, lambda: None, "peer", 1.0, once=True), 2).ours == [2.0]
