import pytest
import torch
from run_folders import MODEL, new_run, row

from llm import Transformer
from llm.runs.folder import RunFolder


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """A run with metrics, snapshots of steps 0 and 3, best weights of step 2 and final weights of step 3."""
    folder = new_run(tmp_path_factory.mktemp("trained"))
    torch.manual_seed(1)
    for step in range(4):
        model = Transformer(MODEL)
        folder.append_metrics(row(step))
        if step in (0, 3):
            folder.save_snapshot(step, model, {"step": step}, {"step": step}, keep_mb=100)
        if step == 2:
            folder.save_model("best", model, step)
    folder.save_model("final", model, 3)
    folder.write_status("finished", "all steps are done", 3)
    return folder
