"""A variant is declared once: an entry is all it takes to add one, everywhere."""

import dataclasses
import re
import subprocess
import sys

import pytest
import torch
import toy_variants
from app_pages import PROJECT, open_page, texts
from measured_costs import kept_for_backward
from model_configs import IMPLEMENTATIONS, SIZES

from components.views.code.equations import equations, titles
from llm import Transformer, preset
from llm.cli import main
from llm.config import ModelConfig, SamplingConfig, TrainingConfig, describe
from llm.costs import memory, parameter_count
from llm.interop.standalone import standalone_script
from llm.interpret.direct_logit_attribution import direct_logit_attribution
from llm.interpret.positions import distance_curves
from llm.registry import REGISTRY_MODULES, registry
from llm.trace.forward_pass import implementations, record_forward_pass
from llm.trace.layer_trace import trace_layer

TOYS = {"norm": toy_variants.NORM, "activation": toy_variants.ACTIVATION, "positional": toy_variants.POSITION}
every_toy = pytest.mark.parametrize(
    "fields",
    [{"norm": "toy"}, {"norm": "toy", "norm_position": "post"}, {"activation": "toy"}, {"positional": "toy"},
     {"norm": "toy", "activation": "toy", "positional": "toy", "bias": False}],
    ids=lambda fields: "-".join(fields),
)  # fmt: skip


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    """Each toy is known to its registry, and to nobody else."""
    for kind, entry in TOYS.items():
        monkeypatch.setitem(registry(kind), "toy", entry)


def randomised(config: ModelConfig, implementation: str = "fused") -> Transformer:
    model = Transformer(config, implementation).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.2)
    return model


@every_toy
def test_it_trains_alike_in_all_three_implementations(fields):
    config = ModelConfig(**SIZES, **fields)
    start = randomised(config).state_dict()
    tokens = torch.randint(config.d_vocab, (3, 12))
    losses = {}
    for implementation in IMPLEMENTATIONS:
        model = Transformer(config, implementation).double()
        model.load_state_dict(start)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        losses[implementation] = []
        for _ in range(4):
            loss = torch.nn.functional.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses[implementation].append(loss.item())
    assert losses["einops"] == pytest.approx(losses["torch"], abs=1e-9)
    assert losses["einops"] == pytest.approx(losses["fused"], abs=1e-9)
    assert losses["einops"][-1] < losses["einops"][0]


@every_toy
def test_it_is_costed_exactly(fields):
    config = ModelConfig(**SIZES, **fields)
    assert parameter_count(config).total == sum(parameter.numel() for parameter in Transformer(config).parameters())
    assert memory(config, TrainingConfig(batch_size=3)).activations == kept_for_backward(config, 3)


def test_the_command_line_offers_it(capsys):
    assert main(["train", "--help"]) == 0
    shown = " ".join(re.sub("[│╭╮╰╯]", " ", capsys.readouterr().out).split())
    for kind, entry in TOYS.items():
        choices = re.search(rf"--{kind} {{([^}}]*)}}", shown)
        assert choices is not None and "toy" in choices[1].split(",")
        assert f"toy: {entry.help}" in shown


@every_toy
def test_the_code_page_explains_and_traces_it(fields):
    config = ModelConfig(**SIZES, **fields)
    models = implementations(Transformer(config))
    recorded = record_forward_pass(models["fused"], torch.randint(config.d_vocab, (1, 5)))
    told, named = equations(config), titles()
    own = {"norm": ("norm_mlp", "ToyNorm", "ToyNorm"), "activation": ("mlp", "MLP", "MLP"),
           "positional": ("attention.score_bias", "ToyBias", "Log distance")}  # fmt: skip
    for kind in fields.keys() & own:
        path, layer_kind, title = own[kind]
        assert named[layer_kind] == title
        lines = " ".join(told[layer_kind]["lines"])
        for model in models.values():
            steps = trace_layer(recorded, f"blocks.0.{path}", model).steps
            assert steps and steps[-1].variables[0].name == "return"
        assert "mean |x|" in lines if kind == "norm" else "²" in lines if kind == "activation" else "log" in lines
    if "positional" in fields:
        assert "√d_head − log(1 + q − k)" in " ".join(told["Attention"]["lines"])


@every_toy
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_its_parts_sum_to_the_logit_difference(fields, implementation):
    config = ModelConfig(**SIZES, **fields)
    model = randomised(config, implementation)
    tokens = torch.randint(config.d_vocab, (2, 9))
    found = direct_logit_attribution(model, tokens, (5, 11))
    logits = model(tokens)[:, -1]
    torch.testing.assert_close(found.values.sum(dim=0), logits[:, 5] - logits[:, 11], rtol=1e-9, atol=1e-9)


@every_toy
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_its_stand_alone_script_gives_the_same_logits(fields, implementation):
    config = ModelConfig(**SIZES, **fields)
    model = randomised(config, implementation)
    names: dict = {"__name__": "standalone"}
    script = standalone_script(config, implementation, "char")
    assert "toy_variants" not in script and "distance_curves" not in script and "def spread" not in script
    exec(compile(script, "standalone.py", "exec"), names)
    other = names["Transformer"](names["CONFIG"]).double().eval()
    other.load_state_dict(model.state_dict())
    tokens = torch.randint(config.d_vocab, (2, 11))
    with torch.no_grad():
        assert torch.equal(model(tokens), other(tokens))


def test_its_distance_curves_are_shown():
    config = ModelConfig(**SIZES, positional="toy")
    curves = distance_curves(Transformer(config))
    assert curves.shape == (1, config.n_ctx)


@pytest.mark.parametrize("kind", TOYS)
def test_an_entry_without_one_of_its_fields_fails_at_once(kind):
    declared = {field.name: getattr(TOYS[kind], field.name) for field in dataclasses.fields(TOYS[kind])}
    for missing in declared:
        with pytest.raises(TypeError, match=f"missing .* required .*'{missing}'"):
            type(TOYS[kind])(**{name: value for name, value in declared.items() if name != missing})


@pytest.mark.parametrize("kind", REGISTRY_MODULES)
def test_an_unknown_name_is_an_error_that_names_those_known(kind):
    with pytest.raises(ValueError, match=f"{kind} must be one of {', '.join(registry(kind))}, got 'nonesuch'"):
        registry(kind)["nonesuch"]


@pytest.mark.parametrize("kind", TOYS)
def test_an_unknown_name_is_an_error_in_whatever_reads_it(kind):
    with pytest.raises(ValueError, match=f"{kind} must be one of .*, got 'nonesuch'"):
        ModelConfig(**SIZES, **{kind: "nonesuch"})
    with pytest.raises(ValueError, match=f"{kind} must be one of .*, got 'nonesuch'"):
        preset("gpt", d_vocab=31, **{kind: "nonesuch"})
    config = ModelConfig(**SIZES)
    object.__setattr__(config, kind, "nonesuch")
    for read in (Transformer, parameter_count, lambda config: standalone_script(config, "torch", "char")):
        with pytest.raises(ValueError, match=f"{kind} must be one of .*, got 'nonesuch'"):
            read(config)


def test_choices_are_read_when_they_are_asked_for():
    assert describe(ModelConfig)["norm"].choices == ("layernorm", "rmsnorm", "nonparametric", "toy")
    assert not describe(SamplingConfig)["seed"].choices


def test_configs_presets_and_costs_import_no_torch():
    code = (
        "import sys; from llm import preset, ModelConfig, TrainingConfig; from llm.config import describe;"
        "from llm.costs import memory, parameter_count; import components.shared.forms;"
        "from components.views.pathway import pathway; config = preset('llama', d_vocab=65);"
        "memory(config, TrainingConfig()); describe(ModelConfig); describe(TrainingConfig);"
        "print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "False"


def test_the_form_of_a_new_run_offers_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_HOME", str(tmp_path))
    monkeypatch.chdir(PROJECT)
    app = open_page("train")
    for kind, entry in TOYS.items():
        control = next(control for control in app.selectbox if control.label.endswith(f"`{kind}`"))
        assert "toy" in control.options
        assert f"toy: {entry.help}" in control.help
        control.select("toy")
    app.run()
    assert not app.exception
    assert "parameters" in texts(app)
    assert [button for button in app.button if button.key == "train-start"]
