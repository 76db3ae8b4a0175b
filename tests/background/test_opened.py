import os

import pytest
from run_folders import MODEL, bits, new_run

from llm import Transformer
from llm.background.opened import open_run


def test_a_run_stays_open_until_its_weights_are_saved_anew(tmp_path):
    folder = new_run(tmp_path)
    with pytest.raises(FileNotFoundError, match="has no weights yet"):
        open_run(folder.path, None)
    model = Transformer(MODEL)
    folder.save_model("best", model, 1)
    opened = open_run(folder.path, None)
    assert open_run(folder.path, None) is opened
    assert bits(opened.model) == bits(model)
    other = Transformer(MODEL)
    folder.save_model("final", other, 2)  # comes before the best
    assert bits(open_run(folder.path, None).model) == bits(other)
    folder.save_model("final", model, 3)
    os.utime(folder.path / "final_model.safetensors", ns=(1, 1))
    assert bits(open_run(folder.path, None).model) == bits(model)
