"""Run folders: everything that a training run leaves behind. `llm.checkpoints` is the public import."""
