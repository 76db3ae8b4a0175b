"""Memory and communication on many devices, computed from configurations: uv run python -m benchmarks.scale.

The shapes are those of published models. Nothing is built or measured.
"""

from llm.config import TrainingConfig
from llm.costs import parameter_count
from llm.costs.scale import SHARDED, device_cost
from llm.presets import preset

SHAPES = {  # LLaMA: Touvron et al. 2023, arXiv:2307.09288; 1 B: Zhang et al. 2024, TinyLlama, arXiv:2401.02385
    "1 B": preset("llama", d_vocab=32000, d_model=2048, n_layers=22, n_heads=32, n_kv_heads=4, d_mlp=5632, n_ctx=2048),
    "7 B": preset("llama", d_vocab=32000, d_model=4096, n_layers=32, n_heads=32, d_mlp=11008, n_ctx=2048),
    "70 B": preset(
        "llama", d_vocab=32000, d_model=8192, n_layers=80, n_heads=64, n_kv_heads=8, d_mlp=28672, n_ctx=2048
    ),
}
DEVICES = (8, 64, 512)
WINDOWS = 1  # of 2,048 tokens, on each device


def main() -> None:
    """Print a Markdown table."""
    print("| parameters | devices | sharded | weights, gradients, optimizer | activations | checkpointed | sent |")
    print("|---|---|---|---|---|---|---|")
    for config in SHAPES.values():
        for devices in DEVICES:
            for sharded in SHARDED:
                usual, checkpointed = (
                    device_cost(
                        config,
                        TrainingConfig(batch_size=WINDOWS * devices, optimizer="adamw", gradient_checkpointing=on),
                        devices,
                        sharded,
                    )
                    for on in (False, True)
                )
                cells = (usual.kept - usual.activations, usual.activations, checkpointed.activations, usual.sent)
                name = f"{parameter_count(config).total / 1e9:,.2f} B"
                print(f"| {name} | {devices} | {sharded} | {' | '.join(f'{cell / 1e9:,.1f} GB' for cell in cells)} |")


if __name__ == "__main__":
    main()
