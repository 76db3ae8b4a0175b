"""The name by which scripts import `start_run`; its code is in `llm.training.setup`."""

from llm.training.setup import start_run as start_run
