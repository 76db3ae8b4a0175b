"""What the tests of pages share: a tiny run, and the app as AppTest runs it."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from llm.config import TrainingConfig
from llm.presets import preset
from llm.training.start import start_run

PROJECT = Path(__file__).parents[2]
TEXT = "The hen sat on the gate.\nThe fox sat under it & waited.\n\n" * 60
SOON = 30  # seconds: far more than any of these need


def tiny_run(home: Path, steps: int = 3, **settings) -> Path:
    """A finished run of a tiny model; returns its folder."""
    defaults = {"batch_size": 2, "eval_every": 2, "eval_windows": 2, "sample_tokens": 4, "device": "cpu"}
    config = preset("gpt", d_vocab=1, d_model=8, n_layers=1, n_heads=1, n_ctx=16)
    trainer = start_run(
        config, TrainingConfig(steps=steps, **(defaults | settings)), "char", TEXT, "hens.txt", home / "checkpoints",
        architecture="gpt", size="small",
    )  # fmt: skip
    for _ in trainer:
        pass
    assert trainer.folder is not None
    return trainer.folder.path


def open_page(name: str, **query: str) -> AppTest:
    """The page of this name through the app's own router, without an exception."""
    app = AppTest.from_file(str(PROJECT / "pages" / "navigation.py"), default_timeout=SOON)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    app.switch_page(f"{name}.py").run()
    assert not app.exception, app.exception[0].message
    return app


def texts(app: AppTest) -> str:
    """All that the page says, in one string."""
    return "\n".join(element.value for kind in ("title", "header", "subheader", "markdown", "caption", "text")
                     for element in app.get(kind))  # fmt: skip


def button(app: AppTest, key: str):
    """The button with this key."""
    return next(button for button in app.button if button.key == key)
