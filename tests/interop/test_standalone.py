"""The stand-alone script computes the model's logits bit for bit, even where nothing else is installed."""

import ast
import dataclasses
import importlib.metadata
import itertools
import json
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from model_configs import IMPLEMENTATIONS, every_config_in_some_implementation

from llm import TrainingConfig, Transformer, preset
from llm.checkpoints import Run, load_run
from llm.config import SamplingConfig
from llm.filling import fill
from llm.interop.standalone import standalone_script
from llm.presets import COURSE
from llm.runs.weights import weights_as_bytes
from llm.sampling import generate
from llm.tokenizers import REGISTRY as KINDS
from llm.tokenizers import build_tokenizer
from llm.tokenizers.char import CharTokenizer
from llm.tokenizers.gpt2 import Gpt2Tokenizer
from llm.training.setup import start_run

TEXT = "The hen sat on the gate.\nThe fox's den had 12 ways in; it waited & slept.\n\n" * 60
NEEDED = ("torch", "einops", "safetensors")
BYTES = [bytes([byte]) for byte in range(256)]
TOKENIZERS = {
    "char": build_tokenizer("char", TEXT),
    "bpe": build_tokenizer("bpe", TEXT, 400),
    "sentencepiece": build_tokenizer("sentencepiece", TEXT, 90),
    # GPT-2's tokenizer with a few tokens of our own; no two adjacent parts of "den" form a token
    "gpt2": Gpt2Tokenizer([*BYTES, b"he", b" t", b" the", b"12", b"ll", b"'ll", b"  ", b" w", b" wa", b"den"]),
}

# Run in the other interpreter: only Python, the three libraries and their dependencies can be imported.
BARE = """
import json, sys
allowed = set(json.loads(sys.argv[1])) | set(sys.stdlib_module_names)
class Guard:
    def find_spec(self, name, path=None, target=None):
        if path is None and name.split(".")[0] not in allowed and not name.startswith("_"):
            raise ModuleNotFoundError(f"No module named {name!r} in this bare environment", name=name)
sys.meta_path.insert(0, Guard())
import runpy, pathlib, torch
torch.set_num_threads(1)
for unwanted in ("llm", "jaxtyping", "regex", "tiktoken", "sentencepiece"):
    try:
        __import__(unwanted)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{unwanted} can be imported: this is not a bare environment")
answers = []
for path, run in json.loads(sys.argv[2]):
    script = runpy.run_path(path)
    model, tokenizer = script["load"](pathlib.Path(run))
    ids = tokenizer.encode(sys.argv[3])
    with torch.no_grad():
        logits = model(torch.tensor([ids]))
    text = tokenizer.decode(script["generate"](model, ids, 5, 0, 0))
    answers.append({"ids": ids, "logits": logits.tolist(), "text": text})
print(json.dumps(answers))
"""


def importable() -> list[str]:
    """Top-level modules of the three libraries and their dependencies."""
    packages, queue = set(), list(NEEDED)
    while queue:
        name = re.sub(r"[-_.]+", "-", queue.pop()).lower()
        if name in packages:
            continue
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        packages.add(name)
        queue += [re.match(r"[\w.-]+", requirement)[0] for requirement in requirements if "extra ==" not in requirement]
    owners = importlib.metadata.packages_distributions()
    return [module for module, by in owners.items() if {re.sub(r"[-_.]+", "-", name).lower() for name in by} & packages]


def executed(script: str) -> dict:
    names: dict = {"__name__": "standalone"}
    exec(compile(script, "standalone.py", "exec"), names)
    return names


@every_config_in_some_implementation
def test_every_model_computes_the_same_logits_bit_for_bit(config, implementation):
    model = Transformer(config, implementation).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # no bias of 0 whose omission would go unnoticed
    names = executed(standalone_script(config, implementation, "char"))
    other = names["Transformer"](names["CONFIG"]).eval()
    other.load_state_dict(model.state_dict())
    tokens = torch.randint(config.d_vocab, (2, 11))
    with torch.no_grad():
        assert torch.equal(model(tokens), other(tokens))


def exported(folder: Path, architecture: str, implementation: str, tokenizer: str) -> tuple[Path, Run]:
    """The script of a run that was trained for two steps, and the run."""
    config = preset(architecture, d_vocab=1, d_model=16, n_layers=2, n_heads=2, n_ctx=32)
    training = TrainingConfig(steps=2, batch_size=2, eval_every=2, eval_windows=2, sample_tokens=0, device="cpu")
    trainer = start_run(config, training, tokenizer, TEXT, "hens.txt", folder, tokenizer=TOKENIZERS[tokenizer])
    for _ in trainer:
        pass
    run = load_run(trainer.folder.path, implementation=implementation)
    script = folder / f"{tokenizer}.py"
    script.write_text(standalone_script(run.config, implementation, tokenizer))
    return script, run


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
def test_a_model_that_fills_in_blanks_does_so_in_its_script(tokenizer, tmp_path, capsys, monkeypatch):
    of_masked = TOKENIZERS[tokenizer].with_mask_token()
    of_masked.save(tmp_path)
    config = preset("gpt", d_vocab=of_masked.d_vocab, d_model=16, n_layers=1, n_heads=2, n_ctx=32, mask="bidirectional")
    model = Transformer(config).eval()
    (tmp_path / "final_model.safetensors").write_bytes(weights_as_bytes(model, 0))
    names = executed(standalone_script(config, "fused", tokenizer))
    monkeypatch.setattr(sys, "argv", ["script", str(tmp_path), "The ___ sat", "--count", "3"])
    names["main"]()
    [blank] = fill(model, of_masked, "The ___ sat", 3)
    lines = [f"{100 * found.probability:5.1f}%  {of_masked.decode([found.id])!r}" for found in blank.candidates]
    assert capsys.readouterr().out.splitlines() == ["Blank 1:", *lines]
    assert "generate" not in names


def test_they_run_where_nothing_else_is_installed(tmp_path):
    exports = [
        exported(tmp_path, "gpt", "einops", "bpe"),
        exported(tmp_path, "llama", "torch", "char"),
        exported(tmp_path, "olmo", "fused", "sentencepiece"),
        exported(tmp_path, "gpt", "torch", "gpt2"),
    ]
    prompt = "The fox's den had 12"
    paths = json.dumps([[str(script), str(run.folder.path)] for script, run in exports])
    ran = subprocess.run(
        [sys.executable, "-I", "-c", BARE, json.dumps(importable()), paths, prompt],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    for answer, (_, run) in zip(json.loads(ran.stdout), exports, strict=True):
        assert answer["ids"] == run.tokenizer.encode(prompt)
        with torch.no_grad():
            expected = run.model(torch.tensor([answer["ids"]]))
        assert torch.equal(torch.tensor(answer["logits"]), expected)
        assert answer["text"].startswith(prompt)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", COURSE)
def test_it_contains_only_what_this_model_uses(architecture, implementation):
    config = preset(architecture, d_vocab=65)
    script = standalone_script(config, implementation, "char")
    classes = {node.name for node in ast.walk(ast.parse(script)) if isinstance(node, ast.ClassDef)}
    suffixes = {"einops": "WithEinops", "torch": "WithoutEinops", "fused": "Fused"}
    for other in suffixes.values():
        assert any(name.endswith(other) for name in classes) == (other == suffixes[implementation])
    assert ("Rotary" in classes, "Alibi" in classes, "RMSNorm" in classes) == (
        architecture == "llama", architecture == "olmo", architecture == "llama",
    )  # fmt: skip
    assert ("einops" in re.findall(r"^from (\w+)", script, re.MULTILINE)) == (implementation == "einops")
    for absent in ("hook_", "cache", "documents", "self.dropout", "jaxtyping", "§", "keep:", "shape:"):
        assert absent not in script, absent
    assert "# [batch, head, " in script  # shapes stay


@pytest.fixture(scope="module")
def standalone_tokenizers(tmp_path_factory):
    """Each kind of tokenizer as the script defines it, read from a folder that the library wrote."""
    tokenizers = {}
    for kind, tokenizer in TOKENIZERS.items():
        folder = tmp_path_factory.mktemp(kind)
        tokenizer.save(folder)
        config = preset("gpt", d_vocab=tokenizer.d_vocab)
        tokenizers[kind] = executed(standalone_script(config, "fused", kind))["Tokenizer"](folder)
    return tokenizers


@pytest.mark.parametrize("kind", ["bpe", "gpt2"])
@settings(max_examples=200)
@given(text=st.text())
@example(text="den")
@example(text="It's 12 o'clock,\n\n  'tis  late… naïve ²½ 猫 🦊'll \t \x1c\x1f ")
def test_its_byte_pair_tokenizers_agree_on_any_text(standalone_tokenizers, kind, text):
    try:
        expected = TOKENIZERS[kind].encode(text)
    except ValueError:
        return  # half a surrogate pair
    assert standalone_tokenizers[kind].encode(text) == expected
    assert standalone_tokenizers[kind].decode(expected) == text


@pytest.mark.parametrize("kind", ["char", "sentencepiece"])
@settings(max_examples=200)
@given(text=st.text(alphabet=sorted(set(TEXT))))
@example(text=TEXT)
@example(text="the hen waited & slept " * 100)  # longer than a sentence
@example(text=" \n\n  \n" + " " * 1005 + "eeeeee")
def test_its_other_tokenizers_agree_on_known_characters(standalone_tokenizers, kind, text):
    expected = TOKENIZERS[kind].encode(text)
    assert standalone_tokenizers[kind].encode(text) == expected
    assert standalone_tokenizers[kind].decode(expected) == text


def test_it_rejects_a_character_that_sentencepiece_never_saw(standalone_tokenizers):
    with pytest.raises(ValueError, match="has a character that the training text lacks"):
        standalone_tokenizers["sentencepiece"].encode("the 🦊")


@pytest.mark.parametrize("kind", ["bpe", "gpt2"])
def test_half_a_character_is_shown_as_in_the_library(kind, standalone_tokenizers):
    half = TOKENIZERS[kind].encode("猫")[:1]
    assert standalone_tokenizers[kind].decode(half) == TOKENIZERS[kind].decode(half) == "�"


@pytest.mark.parametrize("prompt", ["", "-The\r\nhen", "\ufeffThe"])
@pytest.mark.parametrize("tokenizer", [*TOKENIZERS.values(), CharTokenizer("ab")], ids=[*TOKENIZERS, "no line break"])
def test_it_continues_any_prompt_as_the_library_does(tokenizer, prompt, tmp_path, monkeypatch, capsys):
    config = preset("gpt", d_vocab=tokenizer.d_vocab, d_model=8, n_layers=1, n_heads=1, n_ctx=64)
    model = Transformer(config).eval()
    tokenizer.save(tmp_path)
    (tmp_path / "final_model.safetensors").write_bytes(weights_as_bytes(model, 1))
    words = [str(tmp_path), "--tokens", "9", "--temperature", "0", "--", prompt]
    monkeypatch.setattr(sys, "argv", ["model.py", *words])
    main = executed(standalone_script(config, "fused", tokenizer.kind))["main"]
    try:
        clean = prompt.removeprefix("\ufeff").replace("\r\n", "\n")
        expected = generate(model, tokenizer, clean, SamplingConfig(max_new_tokens=9, temperature=0))
    except ValueError:  # a character that the tokenizer does not know
        with pytest.raises(SystemExit, match=r"lacks.*: choose another prompt"):
            main()
    else:
        main()
        assert capsys.readouterr().out == expected + "\n"


@pytest.mark.parametrize(("kind", "implementation"), [*zip(KINDS, itertools.cycle(IMPLEMENTATIONS), strict=False)])
def test_it_imports_what_it_uses_and_says_so(kind, implementation):
    script = standalone_script(preset("llama", d_vocab=65), implementation, kind)
    tree = ast.parse(script)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.asname or name.name for node in imports for name in node.names} - {"annotations"}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert names <= used
    assert ("It needs torch, einops and safetensors" in script) == (implementation == "einops")
    assert not re.search(r"^class \w+: \.\.\.$", script, re.MULTILINE)  # every class of the template is filled in


@pytest.mark.parametrize(
    ("implementation", "tokenizer", "problem"),
    [
        ("fast", "char", "implementation must be one of einops, torch, fused, got 'fast'"),
        ("torch", "words", "tokenizer must be one of char, bpe, sentencepiece, gpt2, got 'words'"),
    ],
)
def test_unknown_implementations_and_tokenizers_are_rejected(implementation, tokenizer, problem):
    with pytest.raises(ValueError, match=problem):
        standalone_script(preset("gpt", d_vocab=65), implementation, tokenizer)


SHIFT = 7


def shifted(number, by):
    """A number that `by` is added to."""
    return number + by


class ToyStandaloneTokenizer:
    """Bytes, shifted; the file is compressed."""

    def __init__(self, folder):
        self.settings = json.loads(zlib.decompress((folder / "tokenizer.model").read_bytes()))

    def encode(self, text):
        """Token ids of a text."""
        return [shifted(byte, SHIFT) % self.settings["modulus"] for byte in text.encode()]

    def decode(self, ids):
        """Text of token ids."""
        return bytes(shifted(token, -SHIFT) % self.settings["modulus"] for token in ids).decode()


def test_a_tokenizer_added_to_the_registry_alone_is_exported(tmp_path, monkeypatch):
    entry = dataclasses.replace(KINDS["char"], standalone=ToyStandaloneTokenizer)
    monkeypatch.setitem(KINDS, "toy", entry)
    (tmp_path / "tokenizer.model").write_bytes(zlib.compress(b'{"modulus": 256}'))
    script = standalone_script(preset("gpt", d_vocab=256), "fused", "toy")
    tokenizer, expected = executed(script)["Tokenizer"](tmp_path), ToyStandaloneTokenizer(tmp_path)
    assert tokenizer.encode("naïve 🦊") == expected.encode("naïve 🦊")
    assert tokenizer.decode(tokenizer.encode("naïve 🦊")) == "naïve 🦊"
    assert "import zlib" in script
    assert "base64" not in script  # what other tokenizers need
