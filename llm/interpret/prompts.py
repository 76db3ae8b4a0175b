"""A pair of prompts for activation patching, and the two answers between which the model has to choose."""

from __future__ import annotations

from dataclasses import dataclass

from llm.tokenizers import Tokenizer


@dataclass(frozen=True)
class PromptPair:
    """Two prompts of equal length. The right answer is token answers[0] after `clean`, answers[1] after `corrupt`."""

    clean: tuple[int, ...]
    corrupt: tuple[int, ...]
    answers: tuple[int, int]

    @property
    def changed(self) -> list[int]:
        """The positions at which the prompts differ."""
        pairs = zip(self.clean, self.corrupt, strict=True)
        return [position for position, (clean, corrupt) in enumerate(pairs) if clean != corrupt]


def prompt_pair(tokenizer: Tokenizer, clean: str, corrupt: str, right: str, wrong: str) -> PromptPair:
    """A pair from texts: `clean` should continue with `right`, `corrupt` with `wrong`.

    Tokens that both answers begin with, such as a space, are appended to both prompts; the first tokens that differ
    become the answers.

    Raises:
        ValueError: a text that is empty or that the tokenizer cannot encode; answers that do not differ, or whose
            first differing token depends on the prompt; prompts that are equal or of different length.
    """
    if not (clean and corrupt and right and wrong):
        raise ValueError("One of the texts is empty: patching takes two prompts and two answers")
    prompt, answers = _split_answers(tokenizer, clean, right, wrong)
    other, other_answers = _split_answers(tokenizer, corrupt, right, wrong)
    if answers != other_answers:
        raise ValueError(
            f"After the two prompts, {right!r:.40} and {wrong!r:.40} begin with different tokens: end both "
            "prompts in the same way, with a whole word"
        )
    if len(prompt) != len(other):
        raise ValueError(
            f"The clean text has {len(prompt)} tokens and the corrupted one {len(other)}: patching goes position by "
            "position, so replace a word with one of equally many tokens"
        )
    if prompt == other:
        raise ValueError("The two texts are the same tokens: change the word that the answer depends on")
    return PromptPair(tuple(prompt), tuple(other), answers)


def _split_answers(tokenizer: Tokenizer, text: str, right: str, wrong: str) -> tuple[list[int], tuple[int, int]]:
    """The tokens that the two continuations share, and the two that differ after them."""
    first, second = tokenizer.encode(text + right), tokenizer.encode(text + wrong)
    shared = next((index for index, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    if not shared:
        raise ValueError(f"{right!r:.40} and {wrong!r:.40} do not differ in any token after this text: choose others")
    return first[:shared], (first[shared], second[shared])
