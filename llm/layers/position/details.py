"""What the entries of rotary positions and of the relative bias say, where it takes more than a line."""

from __future__ import annotations

from dataclasses import dataclass

from llm.config import Implementation, ModelConfig, require
from llm.layers.position.scaling import REGISTRY as SCALINGS
from llm.registry import Equation


@dataclass(frozen=True)
class Choice:
    """A detail of a scheme that a config changes: in a few words, and why one would, with the paper."""

    label: str
    why: str


def require_pairs(config: ModelConfig) -> None:
    """Raise ValueError unless the numbers that rotate are pairs."""
    require(config, "d_head", config.d_head % 2 == 0, "even with positional='rope' (it rotates pairs)")
    pairs = config.rotary_width % 2 == 0 and config.rotary_width >= 2
    require(config, "rope_fraction", pairs, f"such that an even number of d_head={config.d_head} numbers rotate")


def rotary_equation(config: ModelConfig) -> Equation:
    """The rotation, with the config's scaling of frequencies."""
    scaling = SCALINGS[config.rope_scaling]
    partial = config.rotary_width < config.d_head
    width = str(config.rotary_width) if partial else "d_head"
    turned = "({turned_x}, {turned_y})"
    lines = [
        f"{{frequency}}[i] = θ^(−2i/{width})",
        *scaling.lines,
        "{angle}[pos, i] = {position} · {frequency}[i]",
        f"{turned} = ({{x}} cos {{angle}} − {{y}} sin {{angle}}, {{y}} cos {{angle}} + {{x}} sin {{angle}})",
    ]
    if scaling.multiplier is not None:
        lines.append("{turned} ← {turned} · (0.1 · ln rope_factor + 1)"
                     if config.rope_attention_factor is None else
                     f"{{turned}} ← {{turned}} · {config.rope_attention_factor:g}")  # fmt: skip
    words = (
        "Rotate each pair of numbers like a clock's hand, further at later positions. The dot product of two "
        "vectors then depends on how far apart they are."
    )
    if partial:
        words += f" Only the first {config.rotary_width} of a head's {config.d_head} numbers rotate."
    if scaling.lines:
        words += f" For a longer context {scaling.help} are slowed."
    sources = ["Su et al. 2021, arXiv:2104.09864", scaling.source]
    return Equation(tuple(lines), words, "; ".join(filter(None, sources)))


def rotary_choices(config: ModelConfig) -> list[Choice]:
    """What this config changes of plain rotary positions, and why one would."""
    chosen, scaling = [], SCALINGS[config.rope_scaling]
    if config.rotary_width < config.d_head:
        chosen.append(
            Choice(
                f"{config.rotary_width} of {config.d_head} numbers rotate",
                "What does not rotate compares contents at any distance, and less is computed (Black et al. 2022, "
                "GPT-NeoX, arXiv:2204.06745).",
            )
        )
    if config.rope_pairs == "neighbours":
        chosen.append(
            Choice(
                "neighbours rotate together",
                "As in the paper; a model can learn the same with pairs from the two halves, but weights fit only the "
                "pairs that they were trained with (Su et al. 2021, arXiv:2104.09864).",
            )
        )
    if scaling.why:
        chosen.append(Choice(f"scaled: {scaling.label}", scaling.why))
    return chosen


def relative_bytes(config: ModelConfig, implementation: Implementation) -> int:
    """The bucket, of 8 bytes, of every pair; fused: of every distance, and a mask of one byte for every pair."""
    pairs = config.n_ctx**2
    return 8 * (2 * config.n_ctx - 1) + pairs if implementation == "fused" else 8 * pairs
