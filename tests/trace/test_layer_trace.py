"""The code page shows what ran: traces equal plain forward passes bit for bit, and gradients agree."""

import subprocess
import sys

import pytest
import torch
from model_configs import IMPLEMENTATIONS, component_configs, every_config, every_config_in_some_implementation

from llm import Transformer, preset
from llm.presets import COURSE
from llm.trace.comparison import compare_implementations, corresponding_steps
from llm.trace.forward_pass import implementations, layer_paths, record_forward_pass
from llm.trace.layer_trace import trace_layer
from llm.trace.statements import axis_names

PRESETS = {name: preset(name, "small", d_vocab=65) for name in COURSE}


@pytest.fixture(autouse=True)
def one_thread():
    """One thread computes such small tensors fastest, above all when other processes use the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recorded_pass(config, implementation="einops", length=11):
    models = implementations(Transformer(config))
    tokens = torch.randint(config.d_vocab, (1, length))
    return record_forward_pass(models[implementation], tokens), models


def plain_outputs(model, tokens) -> dict[str, list[torch.Tensor]]:
    """What every layer returns in an untraced forward pass."""
    outputs: dict[str, list[torch.Tensor]] = {path: [] for path in layer_paths(model)}
    handles = [
        model.get_submodule(path).register_forward_hook(lambda _m, _i, output, path=path: outputs[path].append(output))
        for path in outputs
    ]
    with torch.no_grad():
        model(tokens)
    for handle in handles:
        handle.remove()
    return outputs


@every_config_in_some_implementation
def test_every_layers_trace_equals_the_plain_forward_pass_bit_for_bit(config, implementation):
    recorded, models = recorded_pass(config, implementation)
    plain = plain_outputs(models[implementation], recorded.tokens)
    assert set(plain) == set(recorded.calls)
    for path, outputs in plain.items():
        assert outputs, path
        trace = trace_layer(recorded, path, models[implementation])
        for expected, output in zip(outputs, trace.outputs, strict=True):
            assert torch.equal(expected, output), path
        returned = [variable.tensor for step in trace.steps for variable in step.variables if variable.name == "return"]
        assert all(torch.equal(left, right) for left, right in zip(returned, outputs, strict=True)), path


def test_every_variable_of_every_layer_has_named_axes():
    for config in component_configs():
        recorded, models = recorded_pass(config)
        for path in recorded.calls:
            for step in trace_layer(recorded, path, models["einops"]).steps:
                for variable in step.variables:
                    assert "?" not in variable.axes, f"{path}: {variable.name} at line {step.statement.first}"
                    assert len(variable.axes) == variable.tensor.ndim


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_gradients_are_those_of_the_loss(config):
    """A small shift of a traced tensor changes the loss by its gradient: checked on the stream between two blocks."""
    models = implementations(Transformer(config).double())
    tokens = torch.randint(config.d_vocab, (1, 9))
    recorded = record_forward_pass(models["einops"], tokens)
    trace = trace_layer(recorded, "blocks.1", models["einops"])
    resid = next(variable for step in trace.steps for variable in step.variables if variable.name == "resid")
    direction = torch.randn_like(resid.tensor)

    def loss(shift: float) -> float:
        handle = (
            models["einops"].blocks[1].hook_resid_pre.register_forward_hook(lambda _m, _i, o: o + shift * direction)
        )
        try:
            return record_forward_pass(models["einops"], tokens).loss
        finally:
            handle.remove()

    expected = (resid.gradient * direction).sum().item()
    assert (loss(1e-5) - loss(-1e-5)) / 2e-5 == pytest.approx(expected, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_a_layers_gradients_equal_those_of_the_models_backward_pass(config):
    """Scores inside one block: the layer traced alone against hooks in one complete backward pass."""
    recorded, models = recorded_pass(config)
    outputs = []
    hook = models["einops"].blocks[1].attention.hook_scores
    handle = hook.register_forward_hook(lambda _m, _i, output: (output.retain_grad(), outputs.append(output))[1])
    record_forward_pass(models["einops"], recorded.tokens)
    handle.remove()
    trace = trace_layer(recorded, "blocks.1.attention", models["einops"])
    scores = [variable for step in trace.steps for variable in step.variables if variable.name == "scores"][-1]
    torch.testing.assert_close(scores.gradient, outputs[0].grad)
    assert scores.gradient.abs().max() > 0


def test_recording_and_tracing_leave_the_model_as_it_was():
    model = Transformer(PRESETS["gpt"]).train()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    models = implementations(model)
    recorded = record_forward_pass(models["fused"], torch.randint(65, (1, 8)))
    trace_layer(recorded, "blocks.0.mlp", models["torch"])
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
    assert not any(module._forward_hooks for model in models.values() for module in model.modules())


@every_config
def test_implementations_agree_on_the_same_input(config):
    recorded, models = recorded_pass(config, "fused")
    for path in recorded.calls:
        for comparison in compare_implementations(recorded, path, models):
            if "score_bias" in path and comparison.implementation == "fused":
                continue  # equal only after softmax: they differ by a constant per query
            assert comparison.output < 1e-5 and (comparison.gradient or 0) < 1e-5, (path, comparison)
            assert comparison.seconds > 0


def test_a_comparison_measures_a_difference():
    recorded, models = recorded_pass(PRESETS["gpt"])
    models["torch"].load_state_dict(
        {name: value * 1.01 for name, value in models["torch"].state_dict().items()}, assign=True
    )
    comparisons = compare_implementations(recorded, "blocks.0.mlp", models)
    by_implementation = {comparison.implementation: comparison for comparison in comparisons}
    assert by_implementation["torch"].output > 1e-4


def test_lines_that_make_the_same_variable_are_paired():
    recorded, models = recorded_pass(PRESETS["gpt"])
    traces = {name: trace_layer(recorded, "blocks.0.attention", models[name]) for name in IMPLEMENTATIONS}
    for other in ("torch", "fused"):
        pairs = corresponding_steps(traces["einops"], traces[other])
        paired = set()
        for step, other_step in pairs.items():
            names = {variable.name for variable in traces["einops"].steps[step].variables}
            assert names & {variable.name for variable in traces[other].steps[other_step].variables}
            paired |= names
        expected = {"query", "key", "value", "mixed", "return"} | ({"scores", "pattern"} if other == "torch" else set())
        assert expected <= paired


def test_two_calls_of_a_layer_are_distinguished():
    recorded, models = recorded_pass(PRESETS["llama"])
    trace = trace_layer(recorded, "blocks.0.attention.rotation", models["einops"])
    assert {step.call for step in trace.steps} == {0, 1}  # queries, then keys
    assert len(trace.outputs) == 2


def test_a_text_of_one_token_has_a_trace_but_no_loss():
    recorded, models = recorded_pass(PRESETS["gpt"], length=1)
    assert recorded.loss is None
    trace = trace_layer(recorded, "blocks.0.attention", models["einops"])
    assert all(variable.gradient is None for step in trace.steps for variable in step.variables)


def test_an_unknown_layer_is_named():
    recorded, models = recorded_pass(PRESETS["gpt"])
    with pytest.raises(ValueError, match=r"There is no layer 'blocks.9': choose one of the model itself, embed"):
        trace_layer(recorded, "blocks.9", models["einops"])


def test_axis_names():
    assert axis_names(("...", "width"), 3) == ("batch", "pos", "width")
    assert axis_names(("...", "1"), 4) == ("batch", "head", "pos", "1")
    assert axis_names(("pos", "d_model"), 2) == ("pos", "d_model")
    assert axis_names(("pos",), 2) == ("?", "?")
    assert axis_names(None, 1) == ("?",)


def test_a_part_of_the_work_runs_one_stage_at_most():
    """Other tasks on the compute thread wait for each part, so a part must never run the whole model."""
    recorded, models = recorded_pass(PRESETS["llama"])
    ran = []
    for model in models.values():
        for path in ("embed", *(f"blocks.{layer}" for layer in range(model.config.n_layers)), "final_norm", "unembed"):
            model.get_submodule(path).register_forward_hook(lambda *_, path=path: ran.append(path))
    walks = {
        "record": record_forward_pass.steps(models["fused"], recorded.tokens),
        "trace": trace_layer.steps(recorded, "", models["einops"]),
        "compare": compare_implementations.steps(recorded, "", models),
    }
    for name, parts in walks.items():
        total = 0
        for _ in parts:
            assert len(ran) <= 1, name
            total += len(ran)
            ran.clear()
        assert total == (models["fused"].config.n_layers + 3) * (3 if name == "compare" else 1)
        ran.clear()


def test_the_models_own_lines_have_the_gradients_of_a_complete_backward_pass():
    recorded, models = recorded_pass(PRESETS["gpt"])
    outputs = []
    for name in ("hook_embedding", "hook_logits"):
        models["torch"].get_submodule(name).register_forward_hook(lambda _m, _i, output: outputs.append(output))
    with torch.enable_grad():
        models["torch"].requires_grad_(True)
        logits = models["torch"](recorded.tokens)
        for output in outputs:
            output.retain_grad()
        torch.nn.functional.cross_entropy(logits[0, :-1], recorded.tokens[0, 1:]).backward()
    models["torch"].requires_grad_(False)
    expected = [output.grad for output in outputs]
    variables = [v for step in trace_layer(recorded, "", models["torch"]).steps for v in step.variables]
    embedded = [variable for variable in variables if variable.name == "resid"][2]  # after embedding, positions, hook
    torch.testing.assert_close(embedded.gradient, expected[0])
    torch.testing.assert_close(variables[-1].gradient, expected[1])
    assert all(variable.gradient is not None for variable in variables)


def test_backward_passes_and_optimizers_do_not_import_sympy():
    """That takes seconds: when the first layer is opened, or the first run starts."""
    code = (
        "import sys, torch; from llm import Transformer, preset; from llm.trace.layer_trace import trace_layer;"
        "from llm.trace.forward_pass import record_forward_pass;"
        "model = Transformer(preset('gpt', d_vocab=9, n_layers=1)); tokens = torch.tensor([[1, 2, 3]]);"
        "trace_layer(record_forward_pass(model, tokens), 'blocks.0.mlp', model);"
        "from llm.training.optimizers.build import build_optimizers; from llm.config import TrainingConfig;"
        "model(tokens).sum().backward();"
        "[optimizer.step() or optimizer.zero_grad() for optimizer in build_optimizers(model, TrainingConfig())];"
        "print('sympy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "False"
