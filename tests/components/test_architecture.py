"""The picture of a model shows every parameter of it, and gives each reason once."""

import pytest
from model_configs import component_configs, config_name
from streamlit.testing.v1 import AppTest

from components.shared.architecture import architecture
from llm.config import ModelConfig
from llm.costs import parameter_count


@pytest.mark.parametrize("config", component_configs(3), ids=config_name)
def test_the_parts_hold_all_parameters(config):
    before, block, after = architecture(config)
    shown = sum(part.parameters for part in [*before, *(config.n_layers * block), *after])
    assert shown == parameter_count(config).total


def drawn(**fields: object) -> str:
    def page(fields):
        from components.shared.architecture import show_architecture
        from llm.config import ModelConfig

        show_architecture(ModelConfig(**fields))

    return AppTest.from_function(page, kwargs={"fields": fields}).run().get("html")[0].proto.body


def test_the_picture_follows_the_choices():
    plain = drawn(d_vocab=50)
    other = drawn(d_vocab=50, n_layers=1, n_kv_heads=2, positional="rope", qk_norm=True, tie_embeddings=False, d_mlp=77)
    assert "Positions: learned" in plain and "Positions:" not in other
    for words in (
        "4 heads of 32",
        "2 for keys and values",
        "queries and keys normalised",
        "128 → 77 → 128",
        "One block",
    ):
        assert words in other
    scaled = drawn(d_vocab=50, positional="rope", rope_fraction=0.5, rope_pairs="neighbours", rope_scaling="yarn")
    for words in ("16 of 32 numbers rotate", "neighbours rotate together", "scaled: YaRN", "arXiv:2309.00071"):
        assert words in scaled and words not in other
    assert "4 blocks like this" in plain and plain.count("Ba et al. 2016") == 1
    assert "no parameters of its own" in plain and "no parameters of its own" not in other


def test_norms_stand_where_the_config_puts_them():
    _, pre, after = architecture(ModelConfig(d_vocab=50))
    _, post, end = architecture(ModelConfig(d_vocab=50, norm_position="post"))
    assert [part.title for part in pre] == ["LayerNorm", "Attention", "LayerNorm", "MLP: GELU"]
    assert [part.title for part in post] == ["Attention", "LayerNorm", "MLP: GELU", "LayerNorm"]
    assert (len(after), len(end)) == (2, 1)
    _, sandwich, _ = architecture(ModelConfig(d_vocab=50, norm_position="sandwich", sublayers="parallel_one_norm"))
    assert [part.title for part in sandwich] == ["LayerNorm", "Attention", "LayerNorm", "MLP: GELU", "LayerNorm"]
    assert "beside attention" in sandwich[3].sizes and "and both read the same" in drawn(
        d_vocab=50, sublayers="parallel"
    )
