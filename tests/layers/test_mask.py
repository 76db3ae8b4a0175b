"""What a query sees: by definition, by its effect on the model, and at no cost where that is everything before it."""

import pytest
import torch
from model_configs import IMPLEMENTATIONS, SIZES

from llm import Transformer
from llm.config import ModelConfig, SamplingConfig
from llm.layers.attention import attend as default_attend
from llm.layers.attention import set_attend
from llm.layers.cache import KeyValueCache
from llm.layers.mask import REGISTRY as MASKS
from llm.layers.mask import layer_window, limited_layers
from llm.sampling import generate, generate_batch
from llm.serving.app import Server
from llm.tokenizers import build_tokenizer
from llm.world.skills import skills

BOTH_SIDES = {"mask": "bidirectional"}
SEEN = {  # of positions 0 to 6, those that the query at 6 sees with a window of 2
    "causal": [0, 1, 2, 3, 4, 5, 6],
    "sliding": [5, 6],
    "strided": [0, 2, 4, 5, 6],
    "bidirectional": [0, 1, 2, 3, 4, 5, 6],
}


def config(**fields) -> ModelConfig:
    return ModelConfig(**(SIZES | {"positional": "rope", "window": 2} | fields))


def seen(model: Transformer, position: int) -> list[int]:
    """The positions whose token the logits at `position` depend on."""
    tokens = torch.randint(31, (1, 7))
    before = model(tokens)[0, position]
    found = []
    for changed in range(7):
        others = tokens.clone()
        others[0, changed] = (others[0, changed] + 1) % 31
        if not torch.allclose(model(others)[0, position], before, rtol=0, atol=1e-12):
            found.append(changed)
    return found


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("mask", MASKS)
def test_a_prediction_depends_on_exactly_what_its_position_sees(mask, implementation):
    model = Transformer(config(mask=mask, n_layers=1), implementation).double().eval()
    assert seen(model, 6) == SEEN[mask]
    assert seen(model, 0) == ([0] if MASKS[mask].causal else SEEN[mask])


def test_through_two_layers_a_window_reaches_twice_as_far():
    model = Transformer(config(mask="sliding", window=3)).double().eval()
    assert seen(model, 6) == [2, 3, 4, 5, 6]


def test_some_layers_see_everything():
    gemma = config(mask="sliding", n_layers=12, full_every=6)
    assert [layer for layer in range(12) if layer_window(gemma, layer) is None] == [5, 11]
    assert limited_layers(gemma) == 10
    assert seen(Transformer(config(mask="sliding", full_every=2)).double().eval(), 6) == SEEN["causal"]


@pytest.mark.parametrize(
    ("fields", "given"),
    [({}, False), ({"mask": "sliding"}, True), ({"mask": "sliding", "window": 7}, False), (BOTH_SIDES, False)],
    ids=["causal", "window", "text within the window", "both sides"],
)
def test_the_fused_pass_makes_a_mask_only_where_it_needs_one(fields, given):
    model, masks = Transformer(config(**fields)), []

    def kernel(*args, **options):
        masks.append((options["attn_mask"] is not None, options["is_causal"]))
        return default_attend(*args, **options)

    set_attend(model, kernel)
    model(torch.randint(31, (1, 7)))
    assert masks == [(given, not given and fields is not BOTH_SIDES)] * 2


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [("window", 0, "at least 1"), ("full_every", -1, "at least 0"), ("mask", "round", "one of causal, sliding")],
)
def test_impossible_masks_are_refused_by_name(field, value, allowed):
    with pytest.raises(ValueError, match=f"{field} must be {allowed}"):
        config(**{field: value})


def test_what_comes_later_has_biases_of_its_own_where_it_is_seen():
    fields = {"positional": "relative", "relative_buckets": 8, "relative_max_distance": 9}
    for implementation in IMPLEMENTATIONS:
        bias = Transformer(config(**BOTH_SIDES, **fields), implementation).blocks[0].attention.score_bias
        with torch.no_grad():
            bias.W_rel.copy_(torch.arange(8.0).expand(6, 8))  # the bias is the bucket
        assert bias(5, 5)[0, 2].tolist() == [2, 1, 0, 5, 6], implementation  # of distances 2, 1, 0, −1 and −2


@pytest.mark.parametrize("attempt", [
    lambda model, tokenizer: generate(model, tokenizer, "ab", SamplingConfig()),
    lambda model, tokenizer: generate(model, tokenizer, "ab", SamplingConfig(), use_cache=False),
    lambda model, tokenizer: generate_batch(model, tokenizer, ["ab"], SamplingConfig()),
    lambda model, tokenizer: Server("run", model, tokenizer),
    lambda model, tokenizer: KeyValueCache(model.config),
    lambda model, tokenizer: skills(model, tokenizer),
])  # fmt: skip
def test_a_model_that_sees_later_tokens_says_why_it_cannot_write(attempt):
    tokenizer = build_tokenizer("char", "ab").with_mask_token()
    model = Transformer(config(**BOTH_SIDES, d_vocab=tokenizer.d_vocab))
    with pytest.raises(ValueError, match=r"mask='bidirectional' cannot .* the next one\. It can fill in blanks"):
        attempt(model, tokenizer)
