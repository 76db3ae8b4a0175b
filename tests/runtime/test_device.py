"""What a machine lacks is said in a sentence."""

import pytest
import torch

from llm.runtime.device import require_compiler

CPU = torch.device("cpu")


@pytest.mark.parametrize("compiler", ["", "compiler-of-nobody -O2"])
def test_a_missing_compiler_is_named(compiler, monkeypatch):
    monkeypatch.setenv("CXX", compiler)
    with pytest.raises(ValueError, match=rf"there is no C\+\+ compiler '{compiler}'.*Install a C\+\+ compiler"):
        require_compiler(CPU)


def test_any_failure_of_torch_compile_is_one_sentence(monkeypatch, tmp_path):
    error = RuntimeError("backend failed")
    error.inner_exception = OSError("g++: no space left on device\n...and a long log")

    def fail(function):
        raise error

    monkeypatch.setenv("CXX", "true")  # a program that every system has
    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(
        ValueError, match=r"^compile=True is not possible .*\(g\+\+: no space left on device\)\. Install"
    ):
        require_compiler(CPU)


@pytest.mark.soak  # it imports torch's compiler, which takes seconds
def test_a_compiler_that_does_not_work_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("CXX", "false")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=r"^compile=True is not possible on this machine: torch.compile failed \("):
        require_compiler(CPU)
