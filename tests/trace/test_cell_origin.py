"""The numbers shown as the origin of a cell do give its value."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_configs import IMPLEMENTATIONS

from llm import Transformer, preset
from llm.tokenizers import build_tokenizer
from llm.trace.cell_origin import cell_origin
from llm.trace.code_session import CodeSession, LayerCode
from llm.trace.description import array_window, describe_cell
from llm.trace.line_trace import trace_lines
from llm.trace.statements import source_text, statements
from llm.trace.traced_text import TracedText

TEXT = "The hen sat on the gate, and so on."


@pytest.fixture(scope="module", params=["gpt", "llama", "olmo"])
def session(request):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = build_tokenizer("char", TEXT)
    config = preset(request.param, d_vocab=tokenizer.d_vocab, d_model=24, n_heads=6, n_kv_heads=3, n_layers=1, n_ctx=16)
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # no bias of 0 that could hide a mistake
    text = TracedText(model, tokenizer, TEXT[:13])
    return CodeSession(text, LayerCode(text))


def cells(session, layer, implementation):
    """The last cell of each tensor that the layer's lines made."""
    for index, step in enumerate(session.trace(layer, implementation).steps):
        for variable in step.variables:
            cell = [size - 1 for size in variable.tensor.shape]
            yield step, variable, describe_cell(session, layer, implementation, index, variable.name, cell)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_cell_has_its_value_and_an_origin_that_adds_up(session, implementation):
    kinds = set()
    for layer in session.code.kinds:
        for step, variable, origin in cells(session, layer, implementation):
            value = variable.tensor[tuple(s - 1 for s in variable.tensor.shape)].item()
            assert origin["value"] == pytest.approx(
                value, rel=1e-6, abs=1e-7
            )  # run twice: sums may end in another last bit
            kinds.add(origin["kind"])
            if origin["kind"] == "contraction":
                left, right, product = (part["numbers"] for part in origin["parts"][:3])
                assert len(left) == len(right) == len(product)
                total = math.fsum(a * b for a, b in zip(left, right, strict=True))
                assert origin["intermediates"]["sum of products"] == pytest.approx(total, abs=1e-6)
                bias = sum(part["numbers"][0] for part in origin["parts"][3:])
                scale = math.sqrt(session.text.config.d_head) if variable.name == "scores" else 1
                wrapped = "hook_" in origin["expression"] or "score_bias" in layer  # more happens on the line
                if not wrapped:
                    assert (total / scale) + bias == pytest.approx(origin["value"], abs=1e-5), (layer, step.statement)
            if origin["kind"] == "softmax":
                exponents = origin["parts"][1]["numbers"]
                assert exponents[-1] / origin["intermediates"]["sum of exponentials"] == pytest.approx(
                    origin["value"], abs=1e-6
                )
    assert "contraction" in kinds


def test_a_score_is_the_dot_product_of_its_query_and_key(session):
    attention = "blocks.0.attention"
    steps = session.trace(attention, "einops").steps
    index = next(i for i, step in enumerate(steps) if [v.name for v in step.variables] == ["scores"])
    query = [v.tensor for step in steps[:index] for v in step.variables if v.name == "query"][-1]
    key = [v.tensor for step in steps[:index] for v in step.variables if v.name == "key"][-1]
    origin = describe_cell(session, attention, "einops", index, "scores", [0, 4, 9, 2])
    assert origin["parts"][0]["numbers"] == pytest.approx(query[0, 4, 9].tolist())
    assert origin["parts"][1]["numbers"] == pytest.approx(key[0, 4, 2].tolist())
    assert origin["labels"][2:] == [TEXT[9], TEXT[2]]
    intermediates = origin["intermediates"]
    assert intermediates["sum of products"] / intermediates["divided by math.sqrt(self.d_head)"] == pytest.approx(
        origin["value"]
    )


def test_the_origin_in_a_norm_has_its_statistics(session):
    _, _, origin = list(cells(session, "blocks.0.norm_mlp", "einops"))[-1]
    layernorm = session.code.kinds["blocks.0.norm_mlp"] == "LayerNorm"
    assert set(origin["intermediates"]) == ({"mean", "variance"} if layernorm else {"mean_square"})


def test_a_cell_of_a_fused_kernel_is_explained_by_the_einops_line(session):
    origins = {variable.name: origin for _, variable, origin in cells(session, "blocks.0.attention", "fused")}
    index = next(i for i, step in enumerate(session.trace("blocks.0.attention", "fused").steps)
                 if "self.attend" in source_text(step.line.path).split("\n")[step.statement.first - 1])  # fmt: skip
    origin = describe_cell(session, "blocks.0.attention", "fused", index, "mixed", [0, 0, 5, 3])
    assert origin["from_einops"] and origin["kind"] == "contraction"
    assert origin["intermediates"]["sum of products"] == pytest.approx(origin["value"], abs=1e-5)
    assert origins["mixed"]["value"] is not None


def test_masked_scores_are_minus_infinity_and_can_be_sent_as_json(session):
    steps = session.trace("blocks.0.attention", "einops").steps
    index = [i for i, step in enumerate(steps) if [v.name for v in step.variables] == ["scores"]][-1]
    assert describe_cell(session, "blocks.0.attention", "einops", index, "scores", [0, 0, 2, 9])["value"] == "−∞"


@pytest.mark.parametrize(
    ("cell_request", "problem"),
    [
        ((0, "query", [0, 0, 0, 99]), "query has no element"),
        ((0, "query", [0, 0]), "query has no element"),
        ((0, "nothing", [0, 0, 0, 0]), "made no 'nothing': it made query"),
        ((999, "query", [0, 0, 0, 0]), "step must be from 0 to \\d+, got 999"),
    ],
)
def test_cells_that_do_not_exist_are_rejected(session, cell_request, problem):
    step, name, cell = cell_request
    with pytest.raises(ValueError, match=problem):
        describe_cell(session, "blocks.0.attention", "einops", step, name, cell)


@settings(max_examples=40)
@given(data=st.data())
def test_an_array_holds_the_tensors_numbers(session, data):
    implementation = data.draw(st.sampled_from(IMPLEMENTATIONS))
    layer = data.draw(st.sampled_from([layer for layer in session.code.kinds if layer]))
    steps = session.trace(layer, implementation).steps
    step = data.draw(st.integers(0, len(steps) - 1))
    for variable in steps[step].variables:
        if variable.tensor.ndim < 2:
            continue
        rows, columns = data.draw(st.permutations(range(variable.tensor.ndim)))[:2]
        at = [data.draw(st.integers(0, size - 1)) for size in variable.tensor.shape]
        array = array_window(variable, False, rows, columns, at)
        index = list(at)
        assert array[0, 0] == variable.tensor[tuple(index)].item()
        index[rows] += array.shape[0] - 1
        index[columns] += array.shape[1] - 1
        assert array[-1, -1] == variable.tensor[tuple(index)].item()


def test_a_line_that_failed_made_nothing(tmp_path):
    code = "def forward(x):\n    y = x + 1\n    y = y @ y\n    return y\n"
    path = tmp_path / "fails.py"
    path.write_text(code)
    names: dict = {}
    exec(compile(code, str(path), "exec"), names)

    def run() -> None:
        with pytest.raises(RuntimeError):
            names["forward"](torch.zeros(2, 3))

    assert [line.statement.first for line in trace_lines(run, [path])] == [2]


def test_the_origin_in_a_line_that_works_in_place_is_the_same_each_time(tmp_path):
    code = "def forward(mean, x):\n    mean.mul_(0.5).add_(x * 3)\n    mean.add_(x)\n    return mean\n"
    path = tmp_path / "in_place.py"
    path.write_text(code)
    names: dict = {}
    exec(compile(code, str(path), "exec"), names)
    mean = torch.tensor([8.0])
    lines = trace_lines(lambda: names["forward"](mean, torch.tensor([2.0])), [path], store=torch.clone)
    for _ in range(2):
        first, second = (cell_origin(line, "mean", [0]) for line in lines[:2])
        assert (first.value, second.value) == (10.0, 12.0)
        assert {part.name: part.numbers for part in first.parts} == {"mean": [8.0], "x": [2.0]}
        assert {part.name: part.numbers for part in second.parts} == {"mean": [10.0], "x": [2.0]}
    assert mean.item() == 12.0


def test_an_edited_file_shows_its_new_text(tmp_path):
    path = tmp_path / "edited.py"
    path.write_text("def forward(x):\n    return x  # [pos]\n")
    assert statements(path)[2].axes == ("pos",)
    path.write_text("def forward(x):\n    return x  # [key]\n")
    assert statements(path)[2].axes == ("key",)
