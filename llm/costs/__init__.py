"""What a model costs, computed from its configuration alone: parameters, memory, arithmetic.

All three are closed forms, so that a form can show them before anything is built. Tests compare each with built models.
What depends on the norm, the position scheme, the activation or the optimizer is in its registry entry.
"""

from llm.costs.flops import Flops, flops_per_token
from llm.costs.parameters import ParameterCount, active_parameters, parameter_count
from llm.costs.training_memory import Memory, memory

__all__ = ["Flops", "Memory", "ParameterCount", "active_parameters", "flops_per_token", "memory", "parameter_count"]
