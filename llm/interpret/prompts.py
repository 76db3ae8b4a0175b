"""Two prompts to compare token by token, and the two tokens that they must tell apart."""

from __future__ import annotations

from dataclasses import dataclass

from llm.tokenizers import Tokenizer


@dataclass(frozen=True)
class PromptPair:
    """Prompts of as many tokens each. After `clean` comes token answers[0], after `corrupt` answers[1]."""

    clean: tuple[int, ...]
    corrupt: tuple[int, ...]
    answers: tuple[int, int]

    @property
    def changed(self) -> list[int]:
        """The positions at which the prompts differ."""
        return [at for at, (one, other) in enumerate(zip(self.clean, self.corrupt, strict=True)) if one != other]


def prompt_pair(tokenizer: Tokenizer, clean: str, corrupt: str, right: str, wrong: str) -> PromptPair:
    """From texts: `clean` should go on with `right`, `corrupt` with `wrong`.

    What both answers begin with, such as a space, becomes the end of both prompts; their first difference is the
    answer.

    Raises:
        ValueError: a text that is empty or that the tokenizer cannot express; answers that do not differ, or whose
            first different token depends on the prompt; prompts that are alike or of different length.
    """
    if not (clean and corrupt and right and wrong):
        raise ValueError("One of the texts is empty: patching takes two prompts and two answers")
    prompt, answers = _before_the_answers(tokenizer, clean, right, wrong)
    other, other_answers = _before_the_answers(tokenizer, corrupt, right, wrong)
    if answers != other_answers:
        raise ValueError(
            f"After the two prompts, {right!r:.40} and {wrong!r:.40} begin with different tokens: let the prompts end "
            "alike, with a whole word"
        )
    if len(prompt) != len(other):
        raise ValueError(
            f"The clean text has {len(prompt)} tokens and the corrupted one {len(other)}: patching goes position by "
            "position, so change one word for another of as many tokens"
        )
    if prompt == other:
        raise ValueError("The two texts are the same tokens: change the word that the answer depends on")
    return PromptPair(tuple(prompt), tuple(other), answers)


def _before_the_answers(tokenizer: Tokenizer, text: str, right: str, wrong: str) -> tuple[list[int], tuple[int, int]]:
    """The tokens up to where the two continuations part, and the two tokens there."""
    one, other = tokenizer.encode(text + right), tokenizer.encode(text + wrong)
    same = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if not same:
        raise ValueError(f"{right!r:.40} and {wrong!r:.40} do not differ in any token after this text: choose others")
    return one[:same], (one[same], other[same])
