"""The name of a norm, position scheme, activation, optimizer, schedule or tokenizer stands beside its code alone."""

import ast
from pathlib import Path

import pytest

from llm.registry import REGISTRY_MODULES, registry

ROOT = Path(__file__).parents[1]
NAMES = {name for kind in REGISTRY_MODULES for name in registry(kind)}
OWN = (
    *(home.replace(".", "/") for home in REGISTRY_MODULES.values()),
    "llm/presets/",  # a preset is a choice of variants
    "llm/interop/families/",  # and so is a family of models
)
# Strings that are equal to a variant's name and mean something else, or a default.
EXCEPTIONS = {
    ("llm/config.py", name)  # the defaults
    for name in ("learned", "none", "layernorm", "pre", "per_head", "gelu", "sequential", "causal", "muon", "trapezoid")
} | {
    ("llm/trace/cell_origin.py", "linear"),  # an operator of torch
    ("llm/cli/flags.py", "none"),  # the value None
    ("llm/data/files/markup.py", "pre"),  # an element of HTML
    ("components/views/code/editor.py", "pre"),  # a variable
    ("llm/training/values.py", "none"),  # the value None
    ("llm/runs/folder.py", "none"),  # no snapshots
    ("llm/loss.py", "none"),  # no reduction
    ("llm/training/jobs.py", "none"),  # the id that torchrun gives a job without one
    ("llm/runtime/conditions.py", "sentencepiece"),  # a package
    ("components/views/attention_training/__init__.py", "none"),  # no control run
    ("components/tokenizer_choice.py", "none"),  # no run
    ("llm/interop/harness.py", "none"),  # lm-eval's name for no filter
    ("llm/world/plots/rows.py", "none"),  # a word of the village
    ("components/shared/recipe.py", "sliding"),  # settings that work, as a preset is
    ("llm/cli/tokenize.py", "none"),  # no text
    ("components/views/embeddings/__init__.py", "cosine"),  # cosine similarity
    ("components/shared/positions.py", "learned"),  # a key of what the browser is sent
    ("components/views/code/training_code.py", "bpe"),  # an example: the code of the training of merges
}  # fmt: skip
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in ("llm", "components", "pages")
    for path in (ROOT / folder).rglob("*.py")
)


def names_in(source):
    strings = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return {name for name in NAMES if name in strings}


def test_the_check_sees_a_name():
    assert names_in('if config.norm == "rmsnorm": pass') == {"rmsnorm"}


@pytest.mark.parametrize("file", ["main.py", *(file for file in FILES if not file.startswith(OWN))])
def test_no_variant_is_named_outside_its_folder(file):
    named = {(file, name) for name in names_in((ROOT / file).read_text("utf-8"))}
    assert named == {exception for exception in EXCEPTIONS if exception[0] == file}
