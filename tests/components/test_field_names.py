"""Every field of every config has a plain name, in one group."""

from collections import Counter

import pytest

from components.shared.field_names import GROUPS
from llm.config import ModelConfig, SamplingConfig, TrainingConfig, describe
from llm.data import Split


@pytest.mark.parametrize("config", [ModelConfig, TrainingConfig, SamplingConfig, Split])
def test_every_field_stands_in_one_group_under_a_name_of_its_own(config):
    names = [name for group in GROUPS[config.__name__].values() for name in group]
    assert Counter(names) == Counter(list(describe(config)))
    plain = [plain for group in GROUPS[config.__name__].values() for plain in group.values()]
    assert len(set(plain)) == len(plain)
