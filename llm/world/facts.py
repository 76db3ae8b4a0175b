"""Facts that hold in every story and are mentioned now and then: who someone is, what they do, where they sleep."""

from __future__ import annotations

from llm.world.words import BRIGHT

WHEN = (
    *["once"] * 5, *["one morning"] * 2, *["one day"] * 2, *["long ago"] * 2, *["not long ago"] * 2,
    *(f"one {weather} {time}" for weather in BRIGHT for time in ("morning", "afternoon")),
    "one night", "one evening", "early one spring", "early last spring", "last summer", "last winter", "last autumn",
    "on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on the first day of May",
    "on the first day of June", "on the first day of April", "just before noon", "just before lunch",
    "just before breakfast",
)  # fmt: skip

FACTS = {
    "adult": (
        "{who} was [always|very|rather] {who.trait?facts}.",
        "Everyone knew how {who.trait?facts} {who} was.",
        "{who} worked {who.workplace?facts}, {who.place.where?facts}.",
        "{who} was the only {who.trade?facts} in Pebbleby.",
    ),
    "child": (
        "{who} was [always|very|rather] {who.trait?facts}.",
        "Everyone knew how {who.trait?facts} {who} was.",
        "{who} was a {who.trait?facts} {who.kind}.",
        "{who} was {who.years?facts} years old and very {who.trait?facts}.",
        "{who} lived with {who.parent?facts}, {who.place.at?facts}.",
    ),
    "animal": (
        "{who} was a {who.trait?facts} {who.kind}.",
        "{who} liked {who.food?facts} better than anything.",
        "{who} always slept {who.bed?facts}.",
    ),
}
