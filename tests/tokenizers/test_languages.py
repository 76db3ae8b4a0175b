"""What a message costs in each language, by tokenizers that know it and by others that do not."""

from llm.tokenizers import build_tokenizer
from llm.tokenizers.bpe import BpeTokenizer
from llm.tokenizers.languages import ENGLISH, SENTENCES, language_costs


def test_costs_are_those_of_the_encoded_message():
    tokenizer = BpeTokenizer.train(f"{SENTENCES[ENGLISH]}\n" * 3, 300)
    costs = language_costs(tokenizer)
    assert [(cost.language, cost.text) for cost in costs] == list(SENTENCES.items())
    for cost in costs:
        assert cost.tokens == len(tokenizer.encode(cost.text))
        assert (cost.characters, cost.bytes) == (len(cost.text), len(cost.text.encode()))
        assert cost.per_character == cost.tokens / len(cost.text)
        assert cost.per_byte == cost.tokens / len(cost.text.encode()) <= 1
    by_language = {cost.language: cost for cost in costs}
    assert by_language["English"].per_byte < 0.5  # what it was trained on
    assert by_language["Hindi"].per_byte > 0.9 and by_language["Hindi"].per_character > 2  # bytes are left
    assert {cost.per_byte for cost in language_costs(BpeTokenizer([]))} == {1.0}


def test_a_message_that_cannot_be_expressed_has_no_cost_but_the_unknown_characters():
    costs = {cost.language: cost for cost in language_costs(build_tokenizer("char", SENTENCES["English"]))}
    assert costs["English"].tokens == len(SENTENCES["English"]) and costs["English"].unknown == ()
    greek = costs["Greek"]
    assert (greek.tokens, greek.per_character, greek.per_byte) == (None, None, None)
    assert set(greek.unknown) == set(SENTENCES["Greek"]) - set(SENTENCES["English"])
