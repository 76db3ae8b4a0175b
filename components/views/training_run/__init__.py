"""A run as it trains: tiles, loss curves with their baselines, and the samples from noise to sentences."""

from __future__ import annotations

from typing import Any

from components.routes import PLOTLY_URL
from components.shared.browser import BrowserComponent

_live = BrowserComponent("live", "views/training_run/view.js")

BASELINES = {
    "uniform": "every token equally likely",
    "unigram": "how often each token occurs",
    "bigram": "which token follows which",
}


def watch(run_id: str, config: dict[str, Any], state: str) -> None:
    """Show the run `run_id` live; `config` is its config.json, `state` what the page believes it to be.

    The page is rerun when the state has become another, so that its buttons follow.
    """
    measured = config.get("baselines", {})
    _live.mount(
        key=f"live-{run_id}",
        data={
            "url": f"/live/run/{run_id}",
            "plotly": PLOTLY_URL,
            "steps": config["training"]["steps"],
            "state": state,
            "baselines": [
                {"name": name, "label": f"{name}: {meaning}", "loss": measured[name]}
                for name, meaning in BASELINES.items()
                if name in measured
            ],
        },
        on_state_change=lambda: None,
    )
