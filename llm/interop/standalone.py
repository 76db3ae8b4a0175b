"""A model as one readable script: the layers it uses, in one implementation, and nothing else.

The script is made from the running source. Conditions that the model's configuration decides are resolved, and hooks,
dropout and the key/value cache are left out, so only this model remains. The script needs torch, safetensors and, for
the einops implementation, einops; a few lines read the tokenizer from the run's folder.
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
from llm.interop.layout import KEEP_MARK, SHAPE_MARK, lay_out
from llm.interop.source import needed_imports, source_with_dependencies, with_imports
from llm.layers import attention, embedding
from llm.layers.mask import REGISTRY as MASKS
from llm.layers.mlp import REGISTRY as ACTIVATIONS
from llm.layers.mlp.build import EXPERTS
from llm.layers.mlp.dense import GATED, PLAIN
from llm.layers.mlp.router import ROUTERS
from llm.layers.norm import REGISTRY as NORMS
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.layers.position import REGISTRY as POSITIONS
from llm.layers.position.scaling import REGISTRY as SCALINGS
from llm.layers.query_key_norm import REGISTRY as QUERY_KEY_NORMS
from llm.layers.sublayers import REGISTRY as SUBLAYERS
from llm.model import Transformer
from llm.tokenizers import saved_kind

SHAPE = re.compile(r"#\s*(\[[^\]]*\])\s*$")
UNUSED_ATTRIBUTES = (
    "self.dropout",
    "self.implementation",
    "self.activation",
    "self.mask",
    "self.capacity",
    "scaling",
    "self.scaled",
    "self.multiplier",
)
# None: nothing reads it
OPTIONAL = (
    "self.rotation", "self.score_bias", "self.positions", "self.window", "self.embedding_scale", "self.W_gate",
    "self.shared",
)  # fmt: skip
HEAD_NORMS = ("self.norm_query", "self.norm_key")
BLOCK_NORMS = ("self.norm_attention", "self.norm_mlp")
WRITING_NORMS = ("self.norm_attention_out", "self.norm_mlp_out")
OMITTED_ARGUMENTS = ("cache", "documents", "implementation")  # a script has one of each, and no cache
TEMPLATE = Path(__file__).with_name("standalone_template.txt")
GENERATE = {
    "PURPOSE": "generating text",
    "USAGE": 'FOLDER "Once" --tokens 100 --temperature 0.8 --seed 0',
    "NOTE": "The prompt may be empty; one that begins with a dash is written last, after --.",
}
FILL = {
    "PURPOSE": "filling in blanks",
    "USAGE": 'FOLDER "The ___ sat" --count 8',
    "NOTE": "Each ___ is a blank of one token; a text that begins with a dash is written last, after --.",
}
IMPORTED_PACKAGES = {"torch", "einops", "jaxtyping", "typing", "builtins", "collections", "abc"}  # imported, not copied


def standalone_script(config: ModelConfig, implementation: Implementation, tokenizer: str) -> str:
    """The source of a script that loads this model's checkpoint and generates text, or fills in blanks.

    Raises:
        ValueError: an unknown implementation or tokenizer.
    """
    if implementation not in get_args(Implementation):
        raise ValueError(f"implementation must be one of {', '.join(get_args(Implementation))}, got {implementation!r}")
    imports, reader = source_with_dependencies(saved_kind(tokenizer).standalone, "Tokenizer")
    layers = "\n\n\n".join(_Specialised(config, implementation).definitions())
    values = "\n".join(f"    {name}={value!r}," for name, value in dataclasses.asdict(config).items())
    ending, words = ("standalone_generate.txt", GENERATE) if config.causal else ("standalone_fill.txt", FILL)
    script = f"{TEMPLATE.read_text('utf-8')}\n\n{TEMPLATE.with_name(ending).read_text('utf-8')}"
    for placeholder, text in words.items():
        script = script.replace(placeholder, text, 1)
    script = with_imports(script, imports)
    script = script.replace('"""IMPLEMENTATION"""', repr(implementation)).replace("    **{},\n", values + "\n")
    script = script.replace("class Transformer: ...\n", layers + "\n").replace("class Tokenizer: ...\n", reader + "\n")
    script = needed_imports(script)
    optional = re.findall(r"^ +import (\w+)$", script, re.MULTILINE)  # what a tokenizer of another project imports
    if "from einops" in script:
        optional.insert(0, "einops")
    return script.replace("PACKAGES", f"{', '.join(['torch', *optional])} and safetensors")


class _Specialised(ast.NodeTransformer):
    """Specialises the layers' source to one configuration: resolves the conditions that it decides."""

    def __init__(self, config: ModelConfig, implementation: Implementation) -> None:
        present = object()
        self.config = config
        self.implementation = implementation
        self.acts_on = POSITIONS[config.positional].acts_on
        self.windowed = MASKS[config.mask].windowed
        bias, qkv_bias = (present if has else None for has in (config.bias, config.has_qkv_bias))
        gate = present if ACTIVATIONS[config.activation].gated else None
        norms, sublayers = NORM_POSITIONS[config.norm_position], SUBLAYERS[config.sublayers]
        # layers that pass on what they are given
        self.absent = (*(() if config.qk_norm else HEAD_NORMS), *(() if norms.writes else WRITING_NORMS))
        scaling = SCALINGS[config.rope_scaling]
        scaling_functions = {"scaled": scaling.frequencies, "multiplier": scaling.multiplier}
        self.known_values: dict[str, Any] = {
            "config": config, "cache": None, "documents": None, "implementation": implementation, "get_args": get_args,
            "Implementation": Implementation, "NORM_POSITIONS": NORM_POSITIONS,
            "self": SimpleNamespace(
                bias=config.has_qkv_bias, b=bias, b_Q=qkv_bias, b_O=bias, b_in=bias, b_out=bias, b_gate=bias,
                rotation=present if self.acts_on == "queries and keys" else None,
                score_bias=present if self.acts_on == "scores" else None,
                positions=present if self.acts_on == "residual stream" else None,
                embedding_scale=present if config.scale_embeddings else None,
                final_softcap=config.final_softcap, attention_softcap=config.attention_softcap,
                tied=config.tie_embeddings,
                norm_reads=norms.reads, norm_writes=norms.writes, norm_end=norms.stream,
                norm_mid=norms.stream and not sublayers.parallel, parallel=sublayers.parallel,
                one_norm=sublayers.one_norm, mlp_norm=norms.stream or (norms.reads and not sublayers.one_norm),
                W_gate=gate, gated=gate is not None, shared=present if config.n_shared_experts else None,
                normalize=config.normalize_expert_weights, training=False,  # it only generates
                config=config, causal=config.causal, d_head=config.d_head, d_rotary=config.rotary_width,
                **scaling_functions, **({} if self.windowed else {"window": None}),
            ),
        }  # fmt: skip
        self.functions: dict[str, Callable[..., Any]] = {  # layers' attributes that are functions
            "self.activation": ACTIVATIONS[config.activation].function(implementation),
            "self.attend": functional.scaled_dot_product_attention,
            **{f"self.{name}": function() for name, function in scaling_functions.items() if function},
            "self.mask": MASKS[config.mask].hidden(),
        }
        self.module: ModuleType = sys.modules[__name__]  # whose source is visited
        self.lines: list[str] = []
        self.unchanged: list[str] = []  # statements that stay as written
        self.used: dict[str, Any] = {}  # this project's classes and functions by name, in the order of their use
        self.attributes: set[str] = set()  # names of used attributes

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
            self.lines, self.unchanged, self.used = inspect.getsource(self.module).split("\n"), [], {}
            written[name] = (definition, "")  # in progress: a class may refer to itself
            specialised = self.visit(_source_of(definition, self.module))
            text = lay_out(ast.unparse(ast.fix_missing_locations(specialised)), self.unchanged)
            for used in list(self.used.values()):
                write(used)
            written.pop(name)
            written[name] = (definition, text)

        write(Transformer)
        return [text for _, text in written.values()]

    def visit(self, node: ast.AST) -> Any:
        """Specialise a node. An unchanged statement keeps its layout; a changed one, its shape comment."""
        if not isinstance(node, ast.Assign | ast.Return | ast.Expr | ast.Raise):
            return super().visit(node)
        original, last = ast.unparse(node), node.end_lineno or node.lineno
        comment = SHAPE.search(self.lines[last - 1])
        specialised = super().visit(node)
        if not isinstance(specialised, ast.stmt):
            return specialised
        if ast.unparse(specialised) == original:
            self.unchanged.append(textwrap.dedent("\n".join(self.lines[node.lineno - 1 : last])))
            return ast.Expr(ast.Constant(f"{KEEP_MARK}{len(self.unchanged) - 1}"))
        if comment is None:
            return specialised
        return [ast.Expr(ast.Constant(f"{SHAPE_MARK}{comment[1]}")), specialised]

    def visit_Name(self, node: ast.Name) -> Any:
        self._use(vars(self.module).get(node.id))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        self.attributes.add(node.attr)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        node.body = [made for member in node.body for made in _as_statements(self._member(member))]
        node.bases = [self.visit(base) for base in node.bases]
        return node

    def _member(self, node: ast.stmt) -> Any:
        """A statement of a class; None for a method that nothing uses (its callers were visited before)."""
        omitted = isinstance(node, ast.FunctionDef) and node.name not in {"__init__", "forward"} | self.attributes
        return None if omitted else self.visit(node)

    def _use(self, definition: Any) -> ast.expr | None:
        """Register a class or function that the script needs; returns how the script refers to it."""
        name = getattr(definition, "__name__", "")
        if not isinstance(definition, type) and not inspect.isroutine(definition):
            return None
        if getattr(functional, name, None) is definition:
            return ast.Attribute(ast.Name("nn.functional", ast.Load()), name, ast.Load())
        if definition.__module__.split(".")[0] in IMPORTED_PACKAGES:
            return None
        self.used[name] = definition
        return ast.Name(name, ast.Load())

    def visit_If(self, node: ast.If) -> Any:
        decided = self._decide(node.test)
        if decided is None:
            return self.generic_visit(node)
        branch = node.body if decided else node.orelse
        return [made for statement in branch for made in _as_statements(self.visit(statement))] or None

    def visit_IfExp(self, node: ast.IfExp) -> Any:
        decided = self._decide(node.test)
        if decided is None:
            return self.generic_visit(node)
        chosen = node.body if decided else node.orelse
        absent = isinstance(chosen, ast.Constant) and chosen.value is None and "cache" in ast.unparse(node.test)
        return ast.Name("cache", ast.Load()) if absent else self.visit(chosen)

    def visit_BoolOp(self, node: ast.BoolOp) -> Any:
        """Without the operands that decide nothing: True after `and`, False after `or`. One alone may decide it all."""
        neutral = isinstance(node.op, ast.And)
        if any(self._decide(operand) is (not neutral) for operand in node.values):
            return ast.Constant(not neutral)
        node.values = [operand for operand in node.values if self._decide(operand) is not neutral] or node.values[:1]
        return self.generic_visit(node) if len(node.values) > 1 else self.visit(node.values[0])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        arguments, defaults = node.args.args, node.args.defaults
        with_default = arguments[len(arguments) - len(defaults) :]
        defaults_by_name = dict(zip([argument.arg for argument in with_default], defaults, strict=True))
        node.args.args = [argument for argument in arguments if argument.arg not in OMITTED_ARGUMENTS]
        node.args.defaults = [default for name, default in defaults_by_name.items() if name not in OMITTED_ARGUMENTS]
        for argument in node.args.args:
            argument.annotation = _plain_annotation(argument.annotation)
        node.returns = _plain_annotation(node.returns)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        text = ast.unparse(node.targets[0])
        own = vars(self.known_values["self"]) if text.startswith("self.") else {}
        decided = isinstance(own.get(text.removeprefix("self.")), bool)
        if decided or "self.hook_" in text or text in UNUSED_ATTRIBUTES + self.absent:
            return None
        self.generic_visit(node)
        value = ast.unparse(node.value)
        absent = value == "None" and text in OPTIONAL
        absent = absent or (text.endswith("_softcap") and own.get(text.removeprefix("self."), "") is None)
        absent = absent or (value == "nn.Identity()" and text in BLOCK_NORMS)  # nothing calls it
        return None if absent or value == text else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        return None  # only for the type checker

    def visit_Call(self, node: ast.Call) -> Any:
        called = ast.unparse(node.func)
        if called.startswith("build_"):
            return self._resolve_builder(called, node)
        if called == "layer_window":
            full = "None if (layer + 1) % config.full_every == 0 else " * (self.config.full_every > 0)
            return ast.parse(f"{full}config.window" if self.windowed else "None", mode="eval").body
        if called.startswith("self.hook_") or called in ("self.dropout", *self.absent):
            return self.visit(node.args[0])
        if called in self.functions:
            node.func = self._use(self.functions[called]) or node.func
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "dropout_p"]
        self.generic_visit(node)
        omitted = () if self.windowed else ("self.window",)
        node.args = [argument for argument in node.args if not _is_omitted(argument, omitted)]
        return node

    def _resolve_builder(self, builder: str, node: ast.Call) -> Any:
        """A call of the class that a builder would choose, with the arguments that the builder would pass."""
        position = POSITIONS[self.config.positional]
        query_key_norm = QUERY_KEY_NORMS[self.config.qk_norm_over]
        if builder == "build_position" and ast.literal_eval(node.args[-1]) != position.acts_on:
            return ast.Constant(None)
        if builder == "build_shared_experts" and self.config.n_shared_experts == 0:
            return ast.Constant(None)
        dense = GATED if ACTIVATIONS[self.config.activation].gated else PLAIN
        class_of: dict[str, Callable[[str], type]] = {
            "build_embedding": embedding.EMBEDDINGS.__getitem__,
            "build_unembedding": embedding.UNEMBEDDINGS.__getitem__,
            "build_attention": attention.ATTENTION.__getitem__,
            "build_mlp": (EXPERTS if self.config.n_experts else dense).__getitem__,
            "build_shared_experts": dense.__getitem__,
            "build_router": ROUTERS.__getitem__,
            "build_position": position.classes,
            "build_norm": NORMS[self.config.norm].classes,
            "build_query_key_norm": query_key_norm.classes,
        }
        arguments = {
            "build_attention": ["config", "layer"],
            "build_mlp": ["config"] if self.config.n_experts else ["config", "config.d_mlp"],
            "build_shared_experts": ["config", "config.n_shared_experts * config.d_mlp"],
            "build_unembedding": ["config", ast.unparse(node.args[-1])],
            "build_norm": ["config", "config.d_model"],
            "build_query_key_norm": [
                "config",
                ast.unparse(node.args[-1]) if query_key_norm.all_heads else "config.d_head",
            ],
        }
        call = ast.parse(f"_({', '.join(arguments.get(builder, ['config']))})", mode="eval").body
        assert isinstance(call, ast.Call)
        chosen = class_of[builder](self.implementation)
        call.args = [self.visit(argument) for argument in call.args]
        call.func = self._use(chosen) or call.func
        return call

    def _decide(self, test: ast.expr) -> bool | None:
        """The value of a condition for this model; None if it is known only at run time."""
        try:
            return bool(eval(compile(ast.Expression(test), "<condition>", "eval"), {}, self.known_values))
        except (NameError, AttributeError, TypeError):
            return None


def _source_of(definition: Any, module: ModuleType) -> ast.stmt:
    """The statement of a module's source that defines this class or function."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == definition.__name__:
            return node
    raise ValueError(f"the source of {definition.__name__} cannot be found: it must be defined by a statement")


def _as_statements(made: Any) -> Iterator[ast.stmt]:
    yield from made if isinstance(made, list) else [made] if made is not None else []


def _is_omitted(argument: ast.expr, attributes: tuple[str, ...]) -> bool:
    return ast.unparse(argument) in (*OMITTED_ARGUMENTS, *attributes)


def _plain_annotation(annotation: ast.expr | None) -> ast.expr | None:
    """`Float[Tensor, "batch pos d_model"]` as `Tensor`: the shapes are in the comments."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in ("Float", "Int", "Bool"):
        return ast.Name("Tensor", ast.Load())
    return ast.Name("Config", ast.Load()) if annotation and ast.unparse(annotation) == "ModelConfig" else annotation
