"""Whatever the bytes of a run's file are, it is read, or refused in a sentence: no crash, no hang, no huge memory."""

import random

import pytest
from children import outcomes
from counts import MUTATIONS
from mutations import mutated
from runs_to_damage import READERS, copy_of, read_all, stopped_run

CASES = [
    *(("char", "adamw", name) for name in READERS if name != "tokenizer.model"),
    ("char", "muon", "step_000003/trainer.pt"),
    ("bpe", "adamw", "tokenizer.json"),
    *((kind, "adamw", name) for kind in ("sentencepiece", "gpt2") for name in ("tokenizer.json", "tokenizer.model")),
]


@pytest.mark.parametrize(("tokenizer", "optimizer", "name"), CASES)
@MUTATIONS
def test_a_mutated_file_is_read_or_refused_in_a_sentence(tmp_path, tokenizer, optimizer, name, count):
    original = stopped_run(tokenizer, optimizer)
    intact = (original / name).read_bytes()
    found = {"read": 0, "refused": 0}

    def mutate_and_read(number: int) -> str:
        run = copy_of(original, tmp_path / "checkpoints")
        (run / name).write_bytes(mutated(name, intact, random.Random(f"{tokenizer} {optimizer} {name} {number}")))
        return read_all(run, name)

    for number, said in enumerate(outcomes(mutate_and_read, count)):
        assert said in found, f"mutation {number}: {said}"
        found[said] += 1
    print(f"{tokenizer} {optimizer} {name}: {found}")  # shown with -s
