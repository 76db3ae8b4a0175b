"""A batch is the same whether it is read when it is needed or before."""

import torch

from llm.data import TextData
from llm.data.batches import Batches
from llm.tokenizers.char import CharTokenizer

TEXT = "a red fox saw a bird, and the bird saw the fox.\n" * 20
DATA = TextData.from_text(TEXT, CharTokenizer.train(TEXT), n_ctx=8)
CPU = torch.device("cpu")


def test_a_prepared_batch_is_the_one_of_its_number_and_is_read_once():
    read = []

    class Counted:
        masking = None

        def batch(self, batch_size, number, seed, device):
            read.append(number)
            return DATA.batch(batch_size, number, seed, device)

    batches = Batches(Counted(), 4, 7, CPU)
    for number in (0, 1, 2):
        taken = batches.take(number)
        batches.prepare(number + 1)
        assert all(map(torch.equal, taken, DATA.batch(4, number, 7, CPU)))
    assert read == [0, 1, 2, 3]
    for number in (5, 3):  # another than the prepared one, and one that was dropped for it
        batches.prepare(4)
        assert all(map(torch.equal, batches.take(number), DATA.batch(4, number, 7, CPU)))


def test_the_processes_parts_make_up_the_batch():
    whole = DATA.batch(6, 2, 7, CPU)
    parts = [Batches(DATA, 2, 7, CPU, rank, 3).take(2)[:2] for rank in range(3)]
    assert all(
        torch.equal(torch.cat(pieces), both) for pieces, both in zip(zip(*parts, strict=True), whole, strict=True)
    )
