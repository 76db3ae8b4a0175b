"""Filling in blanks: one token each, from both sides; and what cannot be filled in."""

import pytest
import torch

from llm import Transformer, preset
from llm.filling import BLANK, encode_blanks, fill, with_blank
from llm.reading import NonFiniteLogitsError
from llm.tokenizers import build_tokenizer

TEXT = "The hen sat on the gate. The cat sat on the mat. " * 20
CHAR, BPE = (build_tokenizer(kind, TEXT, size).with_mask_token() for kind, size in (("char", None), ("bpe", 290)))


def model(tokenizer=CHAR, **fields) -> Transformer:
    torch.manual_seed(0)
    sizes = {"d_model": 16, "n_layers": 1, "n_heads": 2, "n_ctx": 32}
    return Transformer(preset("gpt", d_vocab=tokenizer.d_vocab, **sizes, **({"mask": "bidirectional"} | fields))).eval()


def test_the_candidates_are_the_softmax_at_the_masked_position():
    network = model()
    [first, second] = fill(network, CHAR, f"The h{BLANK}n s{BLANK}t", 3)
    tokens = [*CHAR.encode("The h"), CHAR.mask_token, *CHAR.encode("n s"), CHAR.mask_token, *CHAR.encode("t")]
    probabilities = network(torch.tensor([tokens]))[0].double().softmax(dim=-1)
    assert (first.position, second.position) == (5, 9)
    for blank in (first, second):
        expected = probabilities[blank.position].topk(3)
        assert [candidate.id for candidate in blank.candidates] == expected.indices.tolist()
        assert [candidate.probability for candidate in blank.candidates] == pytest.approx(expected.values.tolist())
        assert [candidate.text for candidate in blank.candidates] == [CHAR.token_text(id) for id in expected.indices]


def test_what_comes_after_a_blank_matters():
    network = model()
    one, other = (fill(network, CHAR, f"The h{BLANK}{after}")[0].candidates for after in ("n sat", "t mat"))
    assert [candidate.probability for candidate in one] != [candidate.probability for candidate in other]


def test_the_space_before_a_word_belongs_to_its_token():
    tokens, [position] = encode_blanks(BPE, f"The {BLANK} sat")
    assert tokens == [*BPE.encode("The"), BPE.mask_token, *BPE.encode(" sat")]
    assert position == len(BPE.encode("The"))
    tokens, _ = encode_blanks(CHAR, f"The {BLANK} sat")
    assert CHAR.decode(tokens) == "The <|mask|> sat"


@pytest.mark.parametrize("tokenizer", [CHAR, BPE], ids=["char", "bpe"])
def test_an_example_has_one_blank_where_one_token_was(tokenizer):
    text = with_blank(tokenizer, "The hen sat on")
    tokens, [position] = encode_blanks(tokenizer, text)
    assert len(tokens) == len(tokenizer.encode("The hen sat on"))
    original = tokenizer.encode("The hen sat on")
    assert tokens[:position] + tokens[position + 1 :] == original[:position] + original[position + 1 :]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The hen", "has no blank: write ___"),
        (BLANK + "hen" * 12, "has 37 tokens, and this model reads at most n_ctx=32"),
        (f"{BLANK} жук", "does not know 'ж'"),
    ],
)
def test_a_text_that_cannot_be_filled_in_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        fill(model(), CHAR, text)


def test_a_model_that_continues_texts_fills_in_no_blanks():
    with pytest.raises(ValueError, match=r"mask='causal' fills in no blanks: .* Generate with it"):
        fill(model(mask="causal"), CHAR, f"The {BLANK}")


def test_diverged_weights_are_named():
    network = model()
    torch.nn.init.constant_(network.embed.W_E, torch.nan)
    with pytest.raises(NonFiniteLogitsError):
        fill(network, CHAR, f"The {BLANK}")
