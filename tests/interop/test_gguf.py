"""GGUF files hold the model, under the names of llama.cpp, or are refused by name."""

import dataclasses
import re

import pytest
import safetensors.torch
import torch
from random_runs import TINY, made_run

from llm import Transformer, preset
from llm.checkpoints import load_run
from llm.cli import main
from llm.interop.families import REGISTRY, read_model_config
from llm.interop.gguf_export import export_gguf
from llm.interop.huggingface_export import huggingface_files


@pytest.mark.parametrize("architecture", ["gpt", "llama"])
def test_a_gguf_file_read_back_is_the_model(tmp_path, architecture):
    """llama.cpp rotates neighbours: with its rows of queries and keys, so does a model here, to the same logits."""
    gguf = pytest.importorskip("gguf")
    run = load_run(made_run(tmp_path, preset(architecture, **TINY), "bpe", end_of_text=True).path)
    assert main(["export", str(run.folder.path), "--format", "gguf", "--output", str(tmp_path / "m.gguf")]) == 0
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    found = {tensor.name: torch.from_numpy(tensor.data.copy()) for tensor in reader.tensors}
    assert reader.get_field("general.architecture").contents() == {"gpt": "gpt2", "llama": "llama"}[architecture]
    tokens = reader.get_field("tokenizer.ggml.tokens").contents()
    assert len(tokens) == run.config.d_vocab and tokens[-1] == "<|endoftext|>"
    assert reader.get_field("tokenizer.ggml.eos_token_id").contents() == run.tokenizer.end_of_text
    assert len(reader.get_field("tokenizer.ggml.merges").contents()) == len(run.tokenizer.merges)
    config, state = run.config, dict(run.model.named_parameters())
    if architecture == "llama":
        config = dataclasses.replace(config, rope_pairs="neighbours")
        for name in ("q", "k"):
            rows = found[f"blk.0.attn_{name}.weight"].unflatten(0, (config.n_heads, config.d_head))
            state[f"blocks.0.attention.W_{name.upper()}"] = rows
        state["unembed.W_U"] = found["output.weight"].T
    else:
        rows = found["blk.0.attn_qkv.weight"].unflatten(0, (3, config.n_heads, config.d_head))
        state |= {f"blocks.0.attention.W_{letter}": part for letter, part in zip("QKV", rows, strict=True)}
        state["positions.W_pos"] = found["position_embd.weight"]
    state["embed.W_E"] = found["token_embd.weight"]
    state["blocks.0.mlp.W_out"] = found["blk.0.ffn_down.weight"].T
    again = Transformer(config)
    again.load_state_dict(state | ({"unembed.W_E": state["embed.W_E"]} if config.tie_embeddings else {}))
    ids = torch.randint(config.d_vocab, (2, 16))
    assert (again(ids) - run.model(ids)).abs().max() < 1e-5


def in_llama_cpp(name, numbers, config, model_type):
    """A tensor of transformers as it lies in a GGUF file."""
    heads = {"q_proj": config.n_heads, "k_proj": config.n_kv_heads}.get(name.split(".")[-2], 0)
    if heads and REGISTRY[model_type].gguf.name in ("llama", "olmo"):  # pairs (i, i + half) become neighbours
        return numbers.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)
    if model_type == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return numbers.T
    if ".query_key_value." in name:
        return numbers.unflatten(0, (config.n_heads, 3, -1)).transpose(0, 1).flatten(0, 2)
    return numbers + 1 if model_type.startswith("gemma") and "norm" in name else numbers


GGUF_ONLY = {"mistral": {"sliding_window": 24}, "olmo": {"head_dim": 4}, "olmo2": {"head_dim": 4},
             "qwen2": {"head_dim": 4}, "olmoe": {"num_key_value_heads": 6}}  # fmt: skip


def run_of_family(families, folder, model_type, **changes):
    content = {"model_type": model_type, **families.TINY[model_type], **GGUF_ONLY.get(model_type, {}), **changes}
    return load_run(made_run(folder, read_model_config(content)[1], "bpe").path)


@pytest.mark.parametrize("model_type", REGISTRY)
def test_a_gguf_file_has_the_tensors_of_transformers_under_llama_cpps_names(families, tmp_path, model_type):
    gguf = pytest.importorskip("gguf")
    run = run_of_family(families, tmp_path, model_type)
    export_gguf(run, tmp_path / "m.gguf")
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    found = {tensor.name: torch.from_numpy(tensor.data.copy()) for tensor in reader.tensors}
    architecture = reader.get_field("general.architecture").contents()
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    table = gguf.get_tensor_name_map(kind, run.config.n_layers)
    expected = {}
    files = huggingface_files(run.config, dict(run.model.named_parameters()), run.tokenizer)
    for name, numbers in sorted(safetensors.torch.load(files["model.safetensors"]).items()):
        merged = re.sub(r"experts\.\d+", "experts", name)
        there = table.get_name(merged, try_suffixes=(".weight", ".bias"))
        expected.setdefault(there, []).append(in_llama_cpp(name, numbers, run.config, model_type))
    assert found.keys() == expected.keys() | ({"output.weight"} & found.keys())
    for name, parts in expected.items():
        assert torch.equal(found[name], parts[0] if "_exps" not in name else torch.stack(parts)), name
    known = {gguf.TENSOR_NAMES[tensor] for tensor in gguf.MODEL_TENSORS[kind]}
    assert {re.sub(r"blk\.\d+", "blk.{bid}", name.rpartition(".")[0]) for name in found} <= known
    keys = {key.replace("{arch}", architecture) for group in vars(gguf.Keys).values() if isinstance(group, type)
            for key in vars(group).values() if isinstance(key, str)}  # fmt: skip
    assert {key for key in reader.fields if key.startswith(f"{architecture}.")} <= keys


@pytest.mark.parametrize(
    ("model_type", "changes", "said"),
    [
        ("mistral", {"sliding_window": 5}, "without a window, and this model has window=5 in a context of n_ctx=24"),
        ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}}, "got 'linear'"),
        ("qwen2", {"head_dim": 8}, "n_heads · d_head = d_model, and this one has 6 · 8 and 24"),
        ("olmoe", {"num_key_value_heads": 3}, "n_kv_heads=n_heads, and this model 3 of 6"),
        ("olmoe", {"norm_topk_prob": True}, "no normalize_expert_weights=True"),
        ("gemma", {"tie_word_embeddings": False}, "no tie_embeddings=False"),
        ("gemma2", {"final_logit_softcapping": None}, "final_softcap=None"),
        ("gemma2", {"layer_types": ["sliding_attention"] * 2}, "full_every=2, and this model has full_every=0"),
        ("gpt_neox", {"hidden_act": "relu"}, "GPT-NeoX has GELU alone, and this model has activation='relu'"),
    ],
)
def test_what_llama_cpp_does_not_compute_is_refused_by_name(families, tmp_path, model_type, changes, said):
    run = run_of_family(families, tmp_path, model_type, **changes)
    with pytest.raises(ValueError, match=re.escape(said)):
        export_gguf(run, tmp_path / "m.gguf")
    assert not (tmp_path / "m.gguf").exists()


def test_a_gguf_file_is_refused_where_its_tokenizer_would_split_otherwise(tmp_path, capsys):
    run = made_run(tmp_path, preset("llama", **TINY), "char")
    assert main(["export", str(run.path), "--format", "gguf", "--output", str(tmp_path / "m.gguf")]) == 2
    assert "needs a byte-pair tokenizer" in capsys.readouterr().err and not (tmp_path / "m.gguf").exists()
