"""What `import llm` settles before torch is loaded, and what a training does not load."""

import os
import subprocess
import sys

import pytest

CODE = "import llm, os, sys; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"


@pytest.mark.parametrize(
    ("given", "spins"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "passive"}, "None")],
    ids=["nothing", "a count", "a policy"],
)
def test_threads_that_wait_spin_for_a_short_time_unless_told_otherwise(given, spins):
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    words = [sys.executable, "-c", CODE]
    said = subprocess.run(words, env=environment | given, capture_output=True, text=True, check=True).stdout
    assert said.split() == [spins, "False"]


def test_a_training_that_is_not_compiled_does_not_load_the_compiler():
    """It takes as long as torch itself."""
    code = "import llm.training.setup, sys; print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "False"]
