"""What training adds for a mixture of experts: two losses of its routers, and what is measured of them.

Without these losses a router sends most tokens to the few experts that are ahead by chance, and only they learn. With
P_e the mean probability of expert e and f_e the fraction of all choices that fall on it, over the tokens of a batch:

    load-balancing loss = n_experts · Σ_e f_e · P_e        1 if all are equal, up to n_experts / experts_per_token
    z-loss              = mean over tokens of (ln Σ_e exp(logits_e))²

The first is of Shazeer et al. 2017, arXiv:1701.06538, in the form of Fedus et al. 2021, arXiv:2101.03961; its gradient
goes through P, because f is a count. The second keeps logits small, where rounding matters less (ST-MoE: Zoph et al.
2022, arXiv:2202.08906). Both are means over the layers, as OLMoE's (arXiv:2409.02060), so that their factors in the
config do not depend on the depth. f_e is counted over all processes' parts of a batch, which makes the mean of their
gradients that of one process (Qiu et al. 2025, arXiv:2501.11873).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from llm.layers.mlp.router import Router
from llm.model import Transformer
from llm.runtime.processes import Processes


@dataclass(frozen=True)
class ExpertMetrics:
    """What a step's routers did, layer by layer."""

    load: list[list[float]]  # fraction of the choices that fall on each expert, before its capacity: they sum to 1
    router_entropy: list[float]  # mean entropy of the probabilities of one token, in nats; at most ln n_experts
    dropped: list[float]  # fraction of the choices beyond an expert's capacity, which were not computed
    load_balance_loss: list[float]  # before its factor
    router_z_loss: list[float]  # before its factor


class Routing:
    """The routers of a model: their losses, and what they did since `take` was called last."""

    def __init__(self, model: Transformer, processes: Processes) -> None:
        self.config = model.config
        self._processes = processes
        self._routers = [module for module in model.modules() if isinstance(module, Router)]
        self._logits: dict[Router, Tensor] = {}
        self._weights: dict[Router, Tensor] = {}
        self._figures: list[Tensor] = []  # of each forward pass: [layer, expert + 4]

    @contextmanager
    def observed(self) -> Iterator[None]:
        """Within this context the routers' logits and weights are kept, until `loss`. Nothing without experts."""
        with ExitStack() as hooks:
            for router in self._routers:
                for hook, kept in (
                    (router.hook_router_logits, self._logits),
                    (router.hook_expert_weights, self._weights),
                ):
                    hooks.callback(hook.register_forward_hook(_keep_in(kept, router)).remove)
            yield

    def loss(self) -> Tensor | float:
        """Both losses of the forward pass that was observed, times their factors; 0 without experts."""
        if not self._routers:
            return 0.0
        choices = self.config.experts_per_token
        loads = torch.stack([load(self._logits[each], choices) for each in self._routers])  # [layer, expert]
        loads = self._processes.mean(loads)  # [layer, expert]
        figures = torch.stack(
            [
                routing_figures(self._logits[each], self._weights[each], choices, of_layer)
                for each, of_layer in zip(self._routers, loads, strict=True)
            ]
        )  # [layer, expert + 4]
        self._logits, self._weights = {}, {}
        self._figures.append(figures.detach())
        balance, z = figures[:, -2:].mean(dim=0)
        return self.config.load_balance_loss * balance + self.config.router_z_loss * z

    def take(self, device: torch.device) -> Float[Tensor, " figures"]:
        """The mean figures of all forward passes since, in a row, for `metrics`; empty without experts."""
        figures = torch.stack(self._figures).mean(dim=0).flatten() if self._figures else torch.empty(0, device=device)
        self._figures = []
        return figures

    def metrics(self, figures: list[float]) -> ExpertMetrics | None:
        """The figures by name; None without experts."""
        if not self._routers:
            return None
        columns = self.config.n_experts + 4
        layers = [figures[start : start + columns] for start in range(0, len(figures), columns)]
        return ExpertMetrics([layer[:-4] for layer in layers], *([layer[k] for layer in layers] for k in range(-4, 0)))


def load(logits: Float[Tensor, "batch pos expert"], choices: int) -> Float[Tensor, " expert"]:
    """f: the fraction of all choices that falls on each expert."""
    chosen = logits.topk(choices).indices.flatten()  # [token · choice]
    return chosen.bincount(minlength=logits.shape[-1]) / len(chosen)


def routing_figures(
    logits: Float[Tensor, "batch pos expert"],
    weights: Float[Tensor, "batch pos expert"],
    choices: int,
    load: Float[Tensor, " expert"],
) -> Float[Tensor, " expert_and_4"]:
    """Of one layer: the load of each expert, router entropy, dropped fraction, load-balancing loss and z-loss."""
    logits = logits.flatten(0, 1).to(torch.promote_types(logits.dtype, torch.float32))  # [token, expert]
    log_probabilities = logits.log_softmax(dim=-1)  # [token, expert]
    probabilities = log_probabilities.exp()  # [token, expert]
    entropy = -(probabilities * log_probabilities).sum(dim=-1).mean().detach()
    dropped = 1 - (weights > 0).sum() / (choices * len(logits))
    balance = logits.shape[1] * (load * probabilities.mean(dim=0)).sum()
    z = logits.logsumexp(dim=-1).square().mean()
    return torch.cat([load, torch.stack([entropy, dropped, balance, z])])


def _keep_in(kept: dict[Router, Tensor], router: Router) -> Callable[[nn.Module, object, Tensor], None]:
    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        kept[router] = output

    return keep
