"""Models from transformers compute here what they compute there, and runs from here open there."""

import json
import shutil
import struct
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
from random_runs import TEXT, TINY, made_run

from llm import preset
from llm.checkpoints import list_runs, load_run
from llm.cli import main
from llm.interop.families import REGISTRY, family_of, read_model_config
from llm.interop.huggingface_import import import_huggingface
from llm.presets import SIZES
from llm.tokenizers import build_tokenizer, load_tokenizer, saved_kind
from llm.tokenizers.huggingface import HuggingFaceTokenizer

PROJECT = Path(__file__).parents[2]
HOSTILE = [
    "", " ", "a  b", "<|endoftext|> hi", "The hen\n\n  sat\t\t on\r\n", "'s 've don't 1234 ½ ² x",
    " 猫猫é\u0301 \u2003\u00a0 ",
    "🙂🏳️‍🌈\u200d \x00\x1c\x1f", "\n\n\n", "   end   ", "٣٤ Ⅷ ⅓ \u180e \ufeff\u0085x", TEXT[:300],
]  # fmt: skip
KINDS = {
    kind: build_tokenizer(kind, TEXT, None if kind == "char" else 300) for kind in ("char", "bpe", "sentencepiece")
}


@pytest.mark.parametrize("model_type", REGISTRY)
def test_a_family_computes_here_what_it_computes_there(families, tmp_path, model_type):
    found = families.agreement(model_type, tmp_path)
    assert max(found.logits.values()) < 1e-5 and max(found.gradients.values()) < 1e-5
    rounded = any(entry.plus for entry in REGISTRY[model_type].weights)  # 1 + γ, and 1 less again
    assert found.same_text and found.round_trip <= rounded * 1.2e-7


PUBLISHED = {"gpt2": "gpt2", "llama3": "llama", "mistral": "mistral", "olmo2": "olmo2", "qwen3": "qwen3",
             "gemma": "gemma2", "neox": "gpt_neox", "mixtral": "mixtral", "olmoe": "olmoe"}  # fmt: skip


def test_a_published_models_preset_is_of_its_own_family():
    for architecture, model_type in PUBLISHED.items():
        for size in SIZES:
            assert family_of(preset(architecture, size, d_vocab=300))[0] == model_type


@pytest.mark.parametrize(
    ("model_type", "changes", "problem"),
    [
        ("gemma2", {"layer_types": ["full_attention", "sliding_attention"]}, "its layer_types="),
        ("gemma2", {"query_pre_attn_scalar": 144}, "its query_pre_attn_scalar=144 cannot be represented"),
        ("olmo", {"clip_qkv": 8.0}, "its clip_qkv=8.0 cannot be represented"),
        ("olmoe", {"clip_qkv": 8.0}, "its clip_qkv=8.0 cannot be represented"),
        ("olmoe", {"head_dim": 8}, "its num_attention_heads=6 times head_dim=8 must be its hidden_size, 24"),
        ("olmoe", {"num_experts_per_tok": 7}, "experts_per_token must be in 1 to 6"),
        ("mixtral", {"router_jitter_noise": 0.1}, "its router_jitter_noise=0.1 cannot be represented"),
        ("mixtral", {"num_local_experts": 0}, "its num_local_experts must be an integer of at least 1"),
        ("qwen2", {"use_sliding_window": True}, "its use_sliding_window=True cannot be represented"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "rope_theta": 500.0, "mscale": 1.0,
                                       "original_max_position_embeddings": 6}}, "parts that are not known"),
    ],
)  # fmt: skip
def test_what_a_family_has_and_no_model_here_is_refused_by_name(families, model_type, changes, problem):
    content = {"model_type": model_type, **families.TINY[model_type], **changes}
    with pytest.raises(ValueError, match=problem):
        read_model_config(content)


@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("gpt2", {"activation_function": "gelu", "tie_word_embeddings": False, "n_inner": 40}),
        ("gpt_neox", {"use_parallel_residual": False, "rotary_pct": 1.0}),
        ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 100.0}}),
        (
            "llama",
            {
                "rope_parameters": {
                    "rope_type": "llama3",
                    "factor": 8.0,
                    "rope_theta": 100.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 12,
                }
            },
        ),
        (
            "qwen3",
            {
                "rope_parameters": {
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "rope_theta": 100.0,
                    "beta_fast": 8.0,
                    "original_max_position_embeddings": 12,
                }
            },
        ),
        ("mistral", {"sliding_window": None}),
        ("mixtral", {"sliding_window": 5, "num_experts_per_tok": 1}),
        ("olmoe", {"norm_topk_prob": True}),
        ("gemma2", {"attn_logit_softcapping": None, "layer_types": ["sliding_attention"] * 2}),
        ("llama", {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "head_dim": 4}),
    ],
)
def test_a_familys_options_are_followed(families, tmp_path, model_type, changes):
    found = families.agreement(model_type, tmp_path, **changes)
    assert max(found.logits.values()) < 1e-5 and found.same_text and found.round_trip < 1e-7


@pytest.mark.parametrize(
    ("architecture", "kind", "end"), [("gpt", "char", False), ("llama", "bpe", True), ("llama", "sentencepiece", False)]
)
def test_an_exported_run_opens_in_transformers_and_comes_back_bit_for_bit(
    tmp_path, monkeypatch, capsys, architecture, kind, end
):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.chdir(tmp_path)
    run = load_run(made_run(tmp_path / "checkpoints", preset(architecture, **TINY), kind, end).path)
    assert main(["export", run.folder.id, "--format", "hf", "--output", "out"]) == 0
    theirs, their_tokenizer = AutoModelForCausalLM.from_pretrained("out"), AutoTokenizer.from_pretrained("out")
    tokens = torch.randint(run.config.d_vocab, (2, 16))
    assert (theirs(tokens).logits - run.model(tokens)).abs().max() < 1e-5
    for text in HOSTILE:
        assert ids_or_refusal(lambda text: their_tokenizer(text).input_ids, text) == ids_or_refusal(
            run.tokenizer.encode, text
        )
    if end:
        assert their_tokenizer.eos_token_id == run.tokenizer.end_of_text == run.config.d_vocab - 1
    assert main(["import", "out", "--checkpoints-dir", "back"]) == 0
    [summary] = list_runs("back")
    back = load_run(summary.path)
    assert (
        summary.state == "finished"
        and summary.title == "out"
        and back.tokenizer.end_of_text == (run.tokenizer.end_of_text)
    )
    ours, again = dict(run.model.named_parameters()), dict(back.model.named_parameters())
    assert ours.keys() == again.keys() and all(torch.equal(ours[name], again[name]) for name in ours)
    assert main(["export", run.folder.id, "--format", "hf", "--output", "out"]) == 2
    assert "out exists already" in capsys.readouterr().err


def ids_or_refusal(encode, text):
    try:
        return encode(text)
    except Exception:
        return "refused"


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_tokenizer_has_the_same_ids_and_bytes(kind, tmp_path):
    ours = KINDS[kind]
    back = HuggingFaceTokenizer(saved_kind(kind).to_huggingface(ours), ours.d_vocab)
    for text in HOSTILE:
        assert ids_or_refusal(back.encode, text) == ids_or_refusal(ours.encode, text)
    assert [back.token_bytes(token) for token in range(back.d_vocab)] == [
        ours.token_bytes(token) for token in range(ours.d_vocab)
    ]
    back.save(tmp_path)
    assert load_tokenizer(tmp_path).encode(TEXT) == ours.encode(TEXT)


def test_every_character_is_split_as_here():
    ours = KINDS["bpe"]
    back = HuggingFaceTokenizer(saved_kind("bpe").to_huggingface(ours), ours.d_vocab)
    text = "".join(f"a{chr(code)} " for code in range(0x3000) if not 0xD800 <= code < 0xE000)
    assert back.encode(text) == ours.encode(text)


def test_a_special_token_is_made_from_no_text():
    tokenizer = build_tokenizer("bpe", TEXT, 300)
    tokenizer.add_end_of_text()
    back = HuggingFaceTokenizer(saved_kind("bpe").to_huggingface(tokenizer), tokenizer.d_vocab, tokenizer.end_of_text)
    assert tokenizer.end_of_text not in back.encode("<|endoftext|>")
    assert back.decode([tokenizer.end_of_text]) == "<|endoftext|>"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"positional": "alibi"}, "positional='alibi'"),
        ({"norm_position": "post"}, "norm_position='post'"),
        ({"positional": "sinusoidal"}, "positional='sinusoidal'"),
        ({"architecture": "mixtral", "n_shared_experts": 1}, "Mixtral has no n_shared_experts=1"),
    ],
)
def test_a_model_that_no_family_can_hold_is_refused_by_name(changes, named):
    with pytest.raises(ValueError, match="No family in transformers can hold this model") as error:
        family_of(preset(**{"architecture": "gpt", "d_vocab": 5, **changes}))
    assert named in str(error.value) and "no such model" not in str(error.value)


@pytest.fixture(scope="module")
def sound(families, tmp_path_factory) -> Path:
    """A folder of a tiny Llama in two shards."""
    folder = tmp_path_factory.mktemp("sound") / "model"
    families.save(families.tiny("llama"), folder, max_shard_size="9KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    return folder


def test_a_sharded_folder_and_a_zip_file_of_it_open(sound, tmp_path):
    from llm.interop.importing import import_run

    packed = Path(shutil.make_archive(str(tmp_path / "model"), "zip", sound.parent, "model"))
    runs = [load_run(import_run(source, tmp_path / "runs").path) for source in (sound, packed)]
    tokens = torch.arange(10)[None]
    assert torch.equal(runs[0].model(tokens), runs[1].model(tokens))


def change_json(folder: Path, name: str, **changes) -> None:
    content = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**content, **changes}))


def whole(folder: Path, change=lambda tensors: None) -> None:
    """The weights in one file, changed."""
    tensors = {}
    for shard in folder.glob("*.safetensors"):
        tensors |= safetensors.torch.load_file(shard)
        shard.unlink()
    (folder / "model.safetensors.index.json").unlink()
    change(tensors)
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def lie(folder: Path) -> None:
    """A header that claims more than the file has."""
    whole(folder)
    path = folder / "model.safetensors"
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header["model.norm.weight"]["shape"] = [2**40]
    packed = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(packed)) + packed + content[8 + size :])


def replace_with_link(folder: Path) -> None:
    shard = min(folder.glob("*.safetensors"))
    outside = folder.parent / "outside.safetensors"
    shard.rename(outside)
    shard.symlink_to(outside)


def point_outside(folder: Path) -> None:
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    change_json(
        folder,
        "model.safetensors.index.json",
        weight_map=dict.fromkeys(index["weight_map"], "../outside.safetensors"),
    )


NORM = "model.norm.weight"
BAD = {
    "code of its own": (lambda f: change_json(f, "config.json", auto_map={"A": "x.M"}), "code of its own (auto_map)"),
    "an unknown family": (lambda f: change_json(f, "config.json", model_type="mamba"), "model_type is 'mamba'"),
    "another class": (lambda f: change_json(f, "config.json", architectures=["Other"]), "architectures must be"),
    "an unknown field": (lambda f: change_json(f, "config.json", sliding="yes"), "sliding='yes'"),
    "quantised": (lambda f: change_json(f, "config.json", quantization_config={"bits": 4}), "quantization_config="),
    "a scaling": (
        lambda f: change_json(f, "config.json", rope_scaling={"type": "surprising", "factor": 2.0}), "rope_scaling"),
    "another activation": (lambda f: change_json(f, "config.json", hidden_act="mish"), "hidden_act='mish'"),
    "biases of one kind": (lambda f: change_json(f, "config.json", attention_bias=True), "attention_bias and mlp_bias"),
    "a width of text": (lambda f: change_json(f, "config.json", hidden_size="24"), "hidden_size must be an integer"),
    "too large a model": (lambda f: change_json(f, "config.json", vocab_size=2**50), "cannot be imported"),
    "another width": (lambda f: change_json(f, "config.json", intermediate_size=21), "config.json needs [21, 24]"),
    "another depth": (lambda f: change_json(f, "config.json", num_hidden_layers=3), "weights lack model.layers.2"),
    "no config": (lambda f: (f / "config.json").unlink(), "has no config.json"),
    "a config that is none": (lambda f: (f / "config.json").write_text("[]"), "does not hold a JSON object"),
    "no weights": (lambda f: [path.unlink() for path in f.glob("model*")], "has no model.safetensors"),
    "a pickle": (
        lambda f: [[path.unlink() for path in f.glob("model*")], (f / "pytorch_model.bin").write_bytes(b"x")],
        "pytorch_model.bin is not read"),
    "a missing tensor": (lambda f: whole(f, lambda tensors: tensors.pop(NORM)), f"weights lack {NORM}"),
    "an extra tensor": (lambda f: whole(f, lambda tensors: tensors.update(x=torch.ones(1))), "has no place for"),
    "whole numbers": (lambda f: whole(f, lambda tensors: tensors.update({NORM: torch.ones(24).int()})), "I32"),
    "a lying header": (lie, "cannot be read as safetensors"),
    "a missing shard": (lambda f: min(f.glob("*.safetensors")).unlink(), "it is missing"),
    "an index that points outside": (point_outside, "../outside.safetensors"),
    "a link": (replace_with_link, "is a link"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "neither a tokenizer.json nor a tokenizer.model"),
    "a tokenizer that is none": (lambda f: (f / "tokenizer.json").write_text("{}"), "tokenizer.json cannot be"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_refused_in_a_sentence_and_leaves_nothing(sound, tmp_path, name):
    folder = tmp_path / "model"
    shutil.copytree(sound, folder)
    change, said = BAD[name]
    change(folder)
    with pytest.raises((ValueError, OSError)) as error:
        import_huggingface(folder, tmp_path / "runs")
    assert said in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 500
    assert not (tmp_path / "runs").exists() or list((tmp_path / "runs").iterdir()) == []


def test_a_zip_file_without_a_model_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("other.zip", "w") as archive:
        archive.writestr("a/readme.txt", "hello")
    assert main(["import", "other.zip"]) == 2
    assert "neither a run nor a model" in capsys.readouterr().err


def test_a_name_on_the_hub_that_cannot_be_reached_is_a_sentence(tmp_path, monkeypatch, capsys):
    import huggingface_hub.constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert main(["import", "somebody/some-model"]) == 2
    said = capsys.readouterr().err
    assert "could not be downloaded from the hub" in said and said.count("\n") == 1
