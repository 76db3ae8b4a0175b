"""Every shape comment in the layers and the model is executed, and true."""

from pathlib import Path

import pytest
import torch
from model_configs import IMPLEMENTATIONS, component_configs

import llm
from llm import Transformer
from llm.layers.cache import KeyValueCache
from llm.layers.mask import REGISTRY as MASKS
from llm.layers.mask.hidden import other_document
from llm.layers.softcap import attend_with_softcap
from llm.trace.line_trace import trace_lines
from llm.trace.statements import shape_mismatch, statements

PACKAGE = Path(llm.__file__).parent
FUNCTIONS = (
    "forward",
    "hidden",
    *(function.__name__ for function in (attend_with_softcap, other_document)),
    *(entry.hidden().__name__ for entry in MASKS.values()),
)
PATHS = [*sorted((PACKAGE / "layers").rglob("*.py")), PACKAGE / "model.py"]


def executed_lines() -> list:
    """Every statement of every configuration in every implementation: on texts, cached continuations, and documents."""
    lines = []
    for config in component_configs():
        for implementation in IMPLEMENTATIONS:
            model = Transformer(config, implementation)
            model.train(config.expert_capacity is None)  # with a capacity rows are dropped while training
            tokens = torch.randint(config.d_vocab, (7, 11))
            cache = KeyValueCache(config) if config.causal else None
            documents = torch.randint(2, (7, 6)).cumsum(dim=1)
            calls = [(tokens[:, :6], cache), (tokens[:, 6:], cache), (tokens[:, :6], None, documents)]
            with torch.no_grad():
                for call in calls if config.causal else calls[::2]:  # the second one has 5 queries and 11 keys
                    for line in trace_lines(lambda model=model, call=call: model(*call), PATHS, FUNCTIONS):
                        lines.append((config, call[0].shape[1], line))
    return lines


@pytest.fixture(scope="module")
def executed():
    return executed_lines()


def sizes(config, pos: int, module) -> dict[str, int]:
    own = getattr(module, "axes", {})
    return config.axis_sizes | {"batch": 7, "pos": pos, "query_pos": pos, "key_pos": 6 if pos == 6 else 11} | own


def test_every_shape_comment_is_true_of_the_running_code(executed):
    wrong = set()
    for config, pos, line in executed:
        named = sizes(config, pos, line.module)
        if line.statement.axes is None:
            continue
        if line.path.parent.name == "position":  # it turns keys as well, which have their own number of heads
            vectors = next((t for t in line.tensors.values() if t.ndim == 4), None)
            named["head"] = vectors.shape[1] if vectors is not None else named["head"]
        for name, tensor in line.tensors.items():
            problem = shape_mismatch(tuple(tensor.shape), line.statement.axes, named)
            if problem:
                wrong.add(f"{line.path.name}:{line.statement.first}: {name} {problem}")
    assert not wrong, "\n" + "\n".join(sorted(wrong))


def test_every_shape_comment_was_executed(executed, capsys):
    run = {(line.path, line.statement) for _, _, line in executed if line.tensors}
    commented = {(path, s) for path in PATHS for s in statements(path).values() if s.axes is not None}
    missed = sorted(f"{path.name}:{s.first}" for path, s in commented - run)
    assert not missed, f"shape comments that no test executes: {missed}"
    with capsys.disabled():
        print(f"\n{len(commented)} shape comments in llm/layers and llm/model.py executed and checked")


def test_every_line_of_a_layer_that_makes_a_tensor_states_its_shape(executed):
    """Tuple assignments through hooks pass tensors on and make none."""
    bare = {
        f"{line.path.name}:{line.statement.first}"
        for _, _, line in executed
        if line.tensors
        and line.statement.axes is None
        and "hook_query" not in line.path.read_text().splitlines()[line.statement.first - 1]
    }
    assert not bare, f"lines that make a tensor without stating its shape: {sorted(bare)}"


def test_a_wrong_comment_is_found(tmp_path):
    """The check itself: a file whose comment swaps two axes fails."""
    source = "def forward(x):\n    y = x.T  # [rows, columns]\n    return y  # [columns, rows]\n"
    path = tmp_path / "wrong.py"
    path.write_text(source)
    namespace: dict = {}
    exec(compile(source, str(path), "exec"), namespace)
    lines = trace_lines(lambda: namespace["forward"](torch.zeros(2, 3)), [path])
    named = {"rows": 2, "columns": 3}
    problems = [
        shape_mismatch(tuple(t.shape), line.statement.axes, named) for line in lines for t in line.tensors.values()
    ]
    assert problems == ["states [rows, columns] = [2, 3], but the tensor is [3, 2]", None]
