"""The fields of the configs in plain words, in the groups and the order in which forms show them."""

from __future__ import annotations

# By the config's name: an edited source file makes its classes new ones.
GROUPS: dict[str, dict[str, dict[str, str]]] = {
    "ModelConfig": {
        "Size": {
            "d_vocab": "Vocabulary",
            "d_model": "Width",
            "n_layers": "Blocks",
            "n_ctx": "Context length",
        },
        "Attention": {
            "n_heads": "Heads",
            "n_kv_heads": "Key and value heads",
            "d_head": "Width of a head",
            "qk_norm": "Normalised queries and keys",
            "qk_norm_over": "What is normalised together",
            "attention_softcap": "Soft-cap of scores",
            "mask": "What a token sees",
            "window": "Tokens in the window",
            "full_every": "Every n-th layer without a window",
        },
        "Positions": {
            "positional": "Position scheme",
            "rope_theta": "Base of the rotary wavelengths",
            "rope_pairs": "Rotated pairs",
            "rope_fraction": "Rotated fraction of a head",
            "rope_scaling": "Scaling of rotations",
            "rope_factor": "Scaling factor",
            "rope_original_ctx": "Context before scaling",
            "rope_low_rotations": "Low limit of rotations",
            "rope_high_rotations": "High limit of rotations",
            "rope_attention_factor": "Attention factor of YaRN",
            "relative_buckets": "Distance buckets",
            "relative_max_distance": "Maximum distance",
        },
        "MLP": {"d_mlp": "Hidden width", "activation": "Activation", "sublayers": "Order of attention and MLP"},
        "Experts": {
            "n_experts": "Experts",
            "experts_per_token": "Experts of a token",
            "n_shared_experts": "Shared experts",
            "normalize_expert_weights": "Weights that sum to 1",
            "load_balance_loss": "Load-balancing loss",
            "router_z_loss": "Router z-loss",
            "expert_capacity": "Capacity of an expert",
        },
        "Norms": {"norm": "Norm", "norm_position": "Norm position", "norm_eps": "Smallest divisor"},
        "Weights": {
            "tie_embeddings": "Unembedding tied to the embedding",
            "bias": "Biases",
            "qkv_bias": "Biases of queries, keys, values",
            "dropout": "Dropout",
        },
        "Embeddings and logits": {
            "scale_embeddings": "Embeddings enlarged by √width",
            "final_softcap": "Soft-cap of logits",
        },
    },
    "TrainingConfig": {
        "Length and batches": {
            "steps": "Steps",
            "batch_size": "Windows in a batch",
            "accumulation": "Batches in a step",
            "separate_documents": "Documents not seen together",
            "masked_fraction": "Masked fraction of tokens",
            "seed": "Seed",
        },
        "Optimizer": {
            "optimizer": "Optimizer",
            "learning_rate": "Learning rate of AdamW",
            "muon_learning_rate": "Learning rate of Muon",
            "weight_decay": "Weight decay",
            "beta1": "Memory of gradients",
            "beta2": "Memory of their squares",
            "grad_clip": "Longest gradient",
        },
        "Learning rate over the steps": {
            "schedule": "Schedule",
            "warmup": "Share of warm-up",
            "decay": "Share of decay",
            "min_lr": "Rate at the end",
        },
        "What is measured": {
            "eval_every": "Steps between evaluations",
            "eval_windows": "Passages in an evaluation",
            "patience": "Patience, in evaluations",
            "sample_prompt": "Beginning of samples",
            "sample_tokens": "Length of samples",
            "skill_pairs": "Questions for each skill",
        },
        "Machine": {
            "device": "Device",
            "precision": "Number format",
            "compile": "Compile the model",
            "gradient_checkpointing": "Recompute instead of storing",
            "sharding": "Divided among processes",
            "max_disk_mb": "Megabytes of snapshots",
        },
    },
    "Split": {
        "Parts of the text": {
            "validation_fraction": "Fraction for validation",
            "test_fraction": "Fraction for the test",
            "split_by": "Held out by",
        },
    },
    "SamplingConfig": {
        "Sampling": {
            "max_new_tokens": "Tokens to write",
            "repetition_penalty": "Repetition penalty",
            "temperature": "Temperature",
            "top_k": "Likeliest tokens",
            "top_p": "Share of probability",
            "min_p": "Least probability",
            "seed": "Seed",
            "stop": "Stop at",
        },
    },
}

PLAIN_NAMES: dict[str, dict[str, str]] = {
    config: {name: plain for names in groups.values() for name, plain in names.items()}
    for config, groups in GROUPS.items()
}
