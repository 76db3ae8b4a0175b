"""A model as one readable script: the layers it uses, in the implementation of one's choice, and nothing else.

The script is made from the running source. Whatever the model's configuration decides is decided here (branches not
taken, hooks, dropout and the key/value cache are left out), so what remains is this model alone. It needs torch,
safetensors and, for the einops implementation, einops: every tokenizer is read from the run's folder in a few lines.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, get_args

from torch.nn import functional

from llm.config import Implementation, ModelConfig
from llm.interop.source import needed_imports, source_with_dependencies, with_imports
from llm.layers import attention, embedding
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.mlp.build import GATED, PLAIN
from llm.layers.norm import QUERY_KEY_NORM
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.position import REGISTRY as POSITIONS
from llm.model import Transformer
from llm.tokenizers import REGISTRY as TOKENIZERS

SHAPE = re.compile(r"#\s*(\[[^\]]*\])\s*$")
PROSE = re.compile(  # what docstrings say of hooks, caches and implementations, which a script has none of
    r"\s*Hooks: [^.]*\.|\s*With a cache[^.]*\.|\s*Raises:\s*ValueError: an unknown implementation\."
    r"|\s*The implementation \([^.]*\."
)
LONGEST_LINE = 120
KEPT, COMMENT = "keep:", "shape:"  # how a statement or a comment is marked until the text is laid out
UNUSED = ("self.dropout", "self.implementation", "self.activation")
HEAD_NORMS = ("self.norm_query", "self.norm_key")
LEFT_OUT = ("cache", "implementation")  # arguments that a script of one implementation without a cache has no use for
TEMPLATE = Path(__file__).with_name("standalone_template.txt")
OTHERS = {"torch", "einops", "jaxtyping", "typing", "builtins", "collections", "abc"}  # imported, not copied


def standalone_script(config: ModelConfig, implementation: Implementation, tokenizer: str) -> str:
    """The source of a script that loads this model's checkpoint and generates text.

    Raises:
        ValueError: an unknown implementation or tokenizer.
    """
    if implementation not in get_args(Implementation):
        raise ValueError(f"implementation must be one of {', '.join(get_args(Implementation))}, got {implementation!r}")
    imports, reader = source_with_dependencies(TOKENIZERS[tokenizer].standalone, "Tokenizer")
    layers = "\n\n\n".join(_Specialised(config, implementation).definitions())
    values = "\n".join(f"    {name}={value!r}," for name, value in dataclasses.asdict(config).items())
    script = with_imports(TEMPLATE.read_text("utf-8"), imports)
    script = script.replace('"""IMPLEMENTATION"""', repr(implementation)).replace("    **{},\n", values + "\n")
    script = script.replace("class Transformer: ...\n", layers + "\n").replace("class Tokenizer: ...\n", reader + "\n")
    script = needed_imports(script)
    return script.replace(
        "PACKAGES", "torch, einops and safetensors" if "einops" in script else "torch and safetensors"
    )


class _Specialised(ast.NodeTransformer):
    """The layers' source with everything decided that the configuration decides."""

    def __init__(self, config: ModelConfig, implementation: Implementation) -> None:
        present = object()
        self.config = config
        self.implementation = implementation
        self.acts_on = POSITIONS[config.positional].acts_on
        bias = present if config.bias else None
        self.known: dict[str, Any] = {
            "config": config, "cache": None, "implementation": implementation, "get_args": get_args,
            "Implementation": Implementation,
            "self": SimpleNamespace(
                bias=config.bias, b=bias, b_Q=bias, b_O=bias, b_in=bias, b_out=bias, b_gate=bias,
                rotation=present if self.acts_on == "queries and keys" else None,
                score_bias=present if self.acts_on == "scores" else None,
                positions=present if self.acts_on == "residual stream" else None,
                pre_norm=config.norm_position == "pre", tied=config.tie_embeddings,
            ),
        }  # fmt: skip
        self.functions: dict[str, Callable[..., Any]] = {  # attributes of layers that are functions
            "self.activation": ACTIVATIONS[config.activation].function(implementation),
            "self.attend": functional.scaled_dot_product_attention,
        }
        self.module: ModuleType = sys.modules[__name__]  # of the source that is visited
        self.lines: list[str] = []
        self.kept: list[str] = []  # statements that stay as they are written
        self.used: dict[str, Any] = {}  # our classes and functions by name, in the order of their use
        self.attributes: set[str] = set()  # names of attributes that were used

    def definitions(self) -> list[str]:
        """The classes and functions that the model needs, each before the first that uses it."""
        written: dict[str, tuple[Any, str]] = {}

        def write(definition: Any) -> None:
            name = definition.__name__
            if name in written:
                if written[name][0] is not definition:
                    raise ValueError(f"this model's layers use two definitions of the name {name}")
                return
            self.module = sys.modules[definition.__module__]
            self.lines, self.kept, self.used = inspect.getsource(self.module).split("\n"), [], {}
            written[name] = (definition, "")  # it is being written: a class may name itself
            made = self.visit(_source_of(definition, self.module))
            text = _laid_out(ast.unparse(ast.fix_missing_locations(made)), self.kept)
            for used in list(self.used.values()):
                write(used)
            written.pop(name)
            written[name] = (definition, text)

        write(Transformer)
        return [text for _, text in written.values()]

    def visit(self, node: ast.AST) -> Any:
        """Specialise a node. A statement that stays as it is keeps its layout; one that changes, its shape comment."""
        if not isinstance(node, ast.Assign | ast.Return | ast.Expr | ast.Raise):
            return super().visit(node)
        written, last = ast.unparse(node), node.end_lineno or node.lineno
        comment = SHAPE.search(self.lines[last - 1])
        made = super().visit(node)
        if not isinstance(made, ast.stmt):
            return made
        if ast.unparse(made) == written:
            self.kept.append(textwrap.dedent("\n".join(self.lines[node.lineno - 1 : last])))
            return ast.Expr(ast.Constant(f"{KEPT}{len(self.kept) - 1}"))
        return [ast.Expr(ast.Constant(f"{COMMENT}{comment[1]}")), made] if comment is not None else made

    def visit_Name(self, node: ast.Name) -> Any:
        self._use(vars(self.module).get(node.id))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.attributes.add(node.attr)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        node.body = [made for one in node.body for made in _listed(self._member(one))]
        node.bases = [self.visit(base) for base in node.bases]
        return node

    def _member(self, node: ast.stmt) -> Any:
        """A statement of a class. A method that nothing uses is left out: those who use it were visited before."""
        left_out = isinstance(node, ast.FunctionDef) and node.name not in {"__init__", "forward"} | self.attributes
        return None if left_out else self.visit(node)

    def _use(self, definition: Any) -> ast.expr | None:
        """Note a class or function that the script needs; returns how the script calls it."""
        name = getattr(definition, "__name__", "")
        if not isinstance(definition, type) and not inspect.isroutine(definition):
            return None
        if getattr(functional, name, None) is definition:
            return ast.Attribute(ast.Name("nn.functional", ast.Load()), name, ast.Load())
        if definition.__module__.split(".")[0] in OTHERS:
            return None
        self.used[name] = definition
        return ast.Name(name, ast.Load())

    def visit_If(self, node: ast.If) -> Any:
        decided = self._decide(node.test)
        if decided is None:
            return self.generic_visit(node)
        return [made for one in (node.body if decided else node.orelse) for made in _listed(self.visit(one))] or None

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        decided = self._decide(node.test)
        if decided is None:
            return self.generic_visit(node)
        chosen = node.body if decided else node.orelse
        absent = isinstance(chosen, ast.Constant) and chosen.value is None and "cache" in ast.unparse(node.test)
        return ast.Name("cache", ast.Load()) if absent else self.visit(chosen)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        arguments, defaults = node.args.args, node.args.defaults
        given = dict(zip([one.arg for one in arguments[len(arguments) - len(defaults) :]], defaults, strict=True))
        node.args.args = [one for one in arguments if one.arg not in LEFT_OUT]
        node.args.defaults = [default for name, default in given.items() if name not in LEFT_OUT]
        for argument in node.args.args:
            argument.annotation = _plain(argument.annotation)
        node.returns = _plain(node.returns)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        text = ast.unparse(node.targets[0])
        unused = UNUSED + (() if self.config.qk_norm else HEAD_NORMS)
        if "self.hook_" in text or text in unused or (text == "head_norm" and not self.config.qk_norm):
            return None
        self.generic_visit(node)
        value = ast.unparse(node.value)
        absent = value == "None" and text in ("self.rotation", "self.score_bias", "self.positions")
        return None if absent or value == text else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return None  # a promise to the type checker

    def visit_Call(self, node: ast.Call) -> Any:
        called = ast.unparse(node.func)
        if called.startswith("build_"):
            return self._built(called, node)
        nothing = ("self.dropout", *(() if self.config.qk_norm else HEAD_NORMS))
        if called.startswith("self.hook_") or called in nothing:
            return self.visit(node.args[0])
        if called in self.functions:
            node.func = self._use(self.functions[called]) or node.func
        node.keywords = [one for one in node.keywords if one.arg != "dropout_p"]
        self.generic_visit(node)
        node.args = [one for one in node.args if not _is_left_out(one)]
        return node

    def _built(self, builder: str, node: ast.Call) -> Any:
        """The class that a builder would choose, called with what it would be given."""
        position = POSITIONS[self.config.positional]
        if builder == "build_position" and ast.literal_eval(node.args[-1]) != position.acts_on:
            return ast.Constant(None)
        find: dict[str, Callable[[str], type]] = {
            "build_embedding": embedding.EMBEDDINGS.__getitem__,
            "build_unembedding": embedding.UNEMBEDDINGS.__getitem__,
            "build_attention": attention.ATTENTION.__getitem__,
            "build_mlp": (GATED if ACTIVATIONS[self.config.activation].gated else PLAIN).__getitem__,
            "build_position": position.classes,
            "build_norm": NORMS[self.config.norm].classes,
            "build_query_key_norm": NORMS[QUERY_KEY_NORM].classes,
        }
        arguments = {
            "build_unembedding": ["config", ast.unparse(node.args[-1])],
            "build_norm": ["config", "config.d_model"],
            "build_query_key_norm": ["config", "config.d_head"],
        }
        call = ast.parse(f"_({', '.join(arguments.get(builder, ['config']))})", mode="eval").body
        assert isinstance(call, ast.Call)
        chosen = find[builder](self.implementation)
        call.args = [self.visit(argument) for argument in call.args]
        call.func = self._use(chosen) or call.func
        return call

    def _decide(self, test: ast.expr) -> bool | None:
        """What a condition is for this model; None where only running it can tell."""
        try:
            return bool(eval(compile(ast.Expression(test), "<condition>", "eval"), {}, self.known))
        except (NameError, AttributeError, TypeError):
            return None


def _source_of(definition: Any, module: ModuleType) -> ast.stmt:
    """The statement of a module's source that defines this class or function."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == definition.__name__:
            return node
    raise ValueError(f"the source of {definition.__name__} cannot be found: it must be defined by a statement")


def _listed(made: Any) -> Iterator[ast.stmt]:
    yield from made if isinstance(made, list) else [made] if made is not None else []


def _is_left_out(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Name) and argument.id in LEFT_OUT


def _plain(annotation: ast.expr | None) -> ast.expr | None:
    """`Float[Tensor, "batch pos d_model"]` as `Tensor`: shapes stand in the comments of the lines."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in ("Float", "Int", "Bool"):
        return ast.Name("Tensor", ast.Load())
    return ast.Name("Config", ast.Load()) if annotation and ast.unparse(annotation) == "ModelConfig" else annotation


def _laid_out(text: str, kept: list[str]) -> str:
    """Kept statements as they were written; shape comments behind their line, or above it where there is no room."""
    lines: list[str] = []
    comment = ""
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        mark = line.strip().strip("\"'")
        if mark.startswith(KEPT):
            written = re.sub(r'^("""[^\n]*)\n\s*"""$', r'\1"""', PROSE.sub("", kept[int(mark.removeprefix(KEPT))]))
            lines += textwrap.indent(written, indent).split("\n")
        elif mark.startswith(COMMENT):
            comment = mark.removeprefix(COMMENT)
        else:
            behind = f"{line}  # {comment}" if comment else line
            lines += [behind] if len(behind) <= LONGEST_LINE or not comment else [f"{indent}# {comment}", line]
            comment = ""
    return "\n".join(lines)
