"""What the same message costs in several languages: its tokens, per character and per byte.

A tokenizer joins what was frequent in its training text. What it has not seen there stays in single characters or
bytes, so the same message takes several times as many tokens: a window of n_ctx tokens holds less of it, and it takes
as many times longer to train on and to generate.
"""

from __future__ import annotations

from typing import NamedTuple

from llm.tokenizers.base import Tokenizer, UnknownCharacterError

ENGLISH = "English"
SENTENCES = {
    ENGLISH: "The fox sat by the river and waited. Who will come tomorrow?",
    "German": "Der Fuchs saß am Fluss und wartete. Wer wird morgen kommen?",
    "French": "Le renard était assis au bord de la rivière et attendait. Qui viendra demain ?",
    "Spanish": "El zorro estaba sentado junto al río y esperaba. ¿Quién vendrá mañana?",
    "Swahili": "Mbweha alikaa kando ya mto akasubiri. Nani atakuja kesho?",
    "Finnish": "Kettu istui joen rannalla ja odotti. Kuka tulee huomenna?",
    "Turkish": "Tilki nehrin kıyısında oturup bekledi. Yarın kim gelecek?",
    "Greek": "Η αλεπού καθόταν δίπλα στο ποτάμι και περίμενε. Ποιος θα έρθει αύριο;",
    "Russian": "Лиса сидела у реки и ждала. Кто придёт завтра?",
    "Hebrew": "השועל ישב ליד הנהר וחיכה. מי יבוא מחר?",
    "Arabic": "جلس الثعلب عند النهر وانتظر. من سيأتي غدًا؟",
    "Hindi": "लोमड़ी नदी के किनारे बैठकर इंतज़ार कर रही थी। कल कौन आएगा?",
    "Chinese": "狐狸坐在河边等着。明天谁会来？",
    "Japanese": "キツネは川のそばに座って待っていた。明日は誰が来るだろう？",
    "Korean": "여우는 강가에 앉아 기다렸다. 내일은 누가 올까?",
    "Python": 'fox.sit(beside="river")\nwhile not tomorrow.comes():\n    fox.wait()\n',
    "Emoji": "🦊🏞️⏳🌙🌅❓",
}


class Cost(NamedTuple):
    """What one message costs."""

    language: str
    text: str
    characters: int
    bytes: int
    tokens: int | None  # None: the tokenizer cannot express it
    unknown: tuple[str, ...]  # the characters that it does not know

    @property
    def per_character(self) -> float | None:
        """Tokens per character."""
        return None if self.tokens is None else self.tokens / self.characters

    @property
    def per_byte(self) -> float | None:
        """Tokens per byte of UTF-8."""
        return None if self.tokens is None else self.tokens / self.bytes


def language_costs(tokenizer: Tokenizer) -> list[Cost]:
    """The message in every language of `SENTENCES`, encoded by this tokenizer."""
    return [_cost(tokenizer, language, text) for language, text in SENTENCES.items()]


def _cost(tokenizer: Tokenizer, language: str, text: str) -> Cost:
    size = len(text), len(text.encode())
    try:
        return Cost(language, text, *size, len(tokenizer.encode(text)), ())
    except UnknownCharacterError as error:
        return Cost(language, text, *size, None, tuple(error.characters))
