"""Who and what there is in the village of Pebbleby: people, animals, places and things, with their facts.

Everything here holds in every story: Ada is always the baker, the mill always stands by the river. Only strangers are
never the same.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from llm.world.names import SIGN

WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|[0-9]+")
_PRONOUNS = {"he": ("him", "his", "himself"), "she": ("her", "her", "herself")}


@dataclass(frozen=True)
class Place:
    """A place in the village: `{place.at}` is "at the mill", `{place.the}` is "the mill"."""

    name: str
    preposition: str
    where: str

    def __str__(self) -> str:
        return self.name

    @property
    def the(self) -> str:
        """The place with its article: "the mill"."""
        return f"the {self.name}"

    @property
    def at(self) -> str:
        """The place with its preposition: "at the mill"."""
        return f"{self.preposition} the {self.name}"


@dataclass(frozen=True)
class Being:
    """Someone with a name and a pronoun: `{hero}`, `{hero.he}`, `{hero.him}`, `{hero.his}`, `{hero.himself}`."""

    name: str
    he: str

    def __str__(self) -> str:
        return self.name

    @property
    def He(self) -> str:
        """The pronoun at the start of a sentence."""
        return self.he.capitalize()

    @property
    def him(self) -> str:
        """The pronoun as an object."""
        return _PRONOUNS[self.he][0]

    @property
    def his(self) -> str:
        """The possessive pronoun."""
        return _PRONOUNS[self.he][1]

    @property
    def His(self) -> str:
        """The same at the start of a sentence."""
        return self.his.capitalize()

    @property
    def himself(self) -> str:
        """The reflexive pronoun."""
        return _PRONOUNS[self.he][2]


@dataclass(frozen=True)
class Person(Being):
    """A villager. Only an adult has a trade; only a child has a parent and an age, and is a boy or a girl."""

    trade: str
    trait: str
    place: Place
    parent: str = ""
    age: int = 0

    @property
    def years(self) -> str:
        """The age in words."""
        return number(self.age) if self.age else ""

    @property
    def kind(self) -> str:
        """A child is a "boy" or a "girl"."""
        return {"he": "boy", "she": "girl"}[self.he] if self.age else ""

    @property
    def now(self) -> str:
        """What they do: "bakes"."""
        return HABITS[self.name][0]

    @property
    def then(self) -> str:
        """What they did: "baked"."""
        return HABITS[self.name][1]

    @property
    def task(self) -> str:
        """What they do it to: "the bread"."""
        return HABITS[self.name][2]

    @property
    def workplace(self) -> str:
        """Where an adult works: "at the mill"."""
        return "" if self.age else self.place.at

    @property
    def full(self) -> str:
        """The full name, as a story introduces them: "Ada the baker", "little Pip"."""
        return f"little {self.name}" if self.parent else f"{self.name} the {self.trade}"


@dataclass(frozen=True)
class Stranger:
    """Someone from elsewhere, of whom nothing is known but a name, which is invented for one story."""

    name: str = SIGN

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Animal(Being):
    """An animal of the village: `{pet.full}` is "Bramble the goat"."""

    kind: str
    plural: str
    trait: str
    sound: str
    food: str
    bed: str

    @property
    def full(self) -> str:
        """The full name, as a story introduces them: "Bramble the goat"."""
        return f"{self.name} the {self.kind}"


@dataclass(frozen=True)
class Thing:
    """An object that someone can own, carry and lose; `{thing.full}` has its adjective: "brass button"."""

    noun: str
    adjectives: tuple[str, ...]
    small: bool = False
    shiny: bool = False
    adjective: str = field(default="")

    def __str__(self) -> str:
        return self.noun

    @property
    def full(self) -> str:
        """The noun with its adjective: "brass button"."""
        return f"{self.adjective} {self.noun}"

    @property
    def need(self) -> str:
        """What someone says who needs it."""
        return NEEDS[self.noun]

    @property
    def job(self) -> str:
        """What it is borrowed for."""
        return JOBS[self.noun]


@dataclass(frozen=True)
class Goods:
    """Something that is counted or sold: one plum, two plums."""

    one: str
    many: str

    def __str__(self) -> str:
        return self.many


# What someone says who needs a thing, and what a thing is borrowed for.
NEEDS = {
    "button": "My coat blows open in the wind",
    "whistle": "My dog never comes when I call",
    "spoon": "I have been stirring my tea with a stick",
    "ribbon": "My hair falls into my eyes all day",
    "hat": "The sun is burning the tip of my nose",
    "scarf": "My neck is as cold as a fish",
    "umbrella": "The rain runs down my back",
    "lantern": "I fall over my own feet in the dark",
    "kettle": "My old one leaks like a sieve",
    "basket": "I have plums and nowhere to put them",
    "drum": "Nobody hears me when dinner is ready",
    "blanket": "My bed is as cold as a stone",
    "teapot": "I drink my tea out of a flowerpot",
    "hammer": "My gate hangs by one nail",
    "map": "I get lost behind my own house",
    "comb": "A bird has looked at my hair and wanted to move in",
}
JOBS = {
    "hammer": "mend a fence",
    "basket": "pick some berries",
    "umbrella": "walk to the harbour in the rain",
    "lantern": "look for owls",
    "kettle": "make tea for nine aunts",
}
# What someone does every day, now and then.
HABITS = {
    "Ada": ("bakes", "baked", "the bread"), "Tom": ("grinds", "ground", "the corn"),
    "Nell": ("sails", "sailed", "to the island"), "Hugo": ("hammers", "hammered", "the iron"),
    "Ivy": ("waters", "watered", "the beans"), "Otto": ("winds", "wound", "the clocks"),
    "Mabel": ("teaches", "taught", "the alphabet"), "Finn": ("mends", "mended", "the nets"),
    "Rosa": ("weaves", "wove", "the cloth"), "Edgar": ("carries", "carried", "the letters"),
    "Greta": ("milks", "milked", "the cows"), "Silas": ("cleans", "cleaned", "the lamps"),
    "Winnie": ("weighs", "weighed", "the sugar"), "Jonas": ("glues", "glued", "the soles"),
    "Olive": ("strains", "strained", "the honey"), "Bram": ("shears", "sheared", "the sheep"),
    "Pip": ("sweeps", "swept", "the steps"), "Lily": ("climbs", "climbed", "the wall"),
    "Max": ("peels", "peeled", "the potatoes"), "Daisy": ("picks", "picked", "the daisies"),
    "Ned": ("drops", "dropped", "the plates"), "Ruth": ("draws", "drew", "the ducks"),
    "Sam": ("chases", "chased", "the pigeons"), "Elsie": ("fetches", "fetched", "the milk"),
}  # fmt: skip

PLACES = tuple(
    Place(*row)
    for row in (
        ("mill", "at", "by the river"),
        ("bakery", "in", "beside the square"),
        ("forge", "at", "behind the inn"),
        ("garden", "in", "below the school"),
        ("clock shop", "in", "under the bell tower"),
        ("school", "at", "at the end of the lane"),
        ("harbour", "at", "where the river meets the sea"),
        ("weaving room", "in", "above the shop"),
        ("post office", "at", "across from the well"),
        ("farm", "on", "beyond the bridge"),
        ("bell tower", "in", "in the middle of the village"),
        ("shop", "in", "next to the bakery"),
        ("workshop", "in", "in a narrow street"),
        ("orchard", "in", "on the sunny side of the hill"),
        ("hill", "on", "above the village"),
        ("landing", "at", "on the far bank of the river"),
        ("barn", "in", "behind the farm"),
        ("bridge", "on", "over the river"),
        ("well", "by", "in front of the post office"),
        ("pond", "by", "beside the farm"),
        ("square", "in", "in front of the bakery"),
    )
)
PLACE = {place.name: place for place in PLACES}

ADULTS = tuple(
    Person(name, he, trade, trait, PLACE[place])
    for name, he, trade, trait, place in (
        ("Ada", "she", "baker", "cheerful", "bakery"),
        ("Tom", "he", "miller", "patient", "mill"),
        ("Nell", "she", "sailor", "brave", "landing"),
        ("Hugo", "he", "blacksmith", "strong", "forge"),
        ("Ivy", "she", "gardener", "gentle", "garden"),
        ("Otto", "he", "clockmaker", "careful", "clock shop"),
        ("Mabel", "she", "teacher", "wise", "school"),
        ("Finn", "he", "fisherman", "lucky", "harbour"),
        ("Rosa", "she", "weaver", "quick", "weaving room"),
        ("Edgar", "he", "postman", "forgetful", "post office"),
        ("Greta", "she", "farmer", "busy", "farm"),
        ("Silas", "he", "lamplighter", "dreamy", "bell tower"),
        ("Winnie", "she", "shopkeeper", "curious", "shop"),
        ("Jonas", "he", "cobbler", "grumpy", "workshop"),
        ("Olive", "she", "beekeeper", "calm", "orchard"),
        ("Bram", "he", "shepherd", "quiet", "hill"),
    )
)

CHILDREN = tuple(
    Person(name, he, "", trait, PLACE[place], parent, age)
    for name, he, trait, place, parent, age in (
        ("Pip", "he", "curious", "bakery", "Ada", 7),
        ("Lily", "she", "bold", "mill", "Tom", 8),
        ("Max", "he", "hungry", "forge", "Hugo", 9),
        ("Daisy", "she", "shy", "farm", "Greta", 6),
        ("Ned", "he", "noisy", "harbour", "Finn", 8),
        ("Ruth", "she", "clever", "school", "Mabel", 9),
        ("Sam", "he", "sleepy", "shop", "Winnie", 5),
        ("Elsie", "she", "honest", "workshop", "Jonas", 7),
    )
)
# adults and children alternate: the first ones of any list are in most stories
PEOPLE = tuple(being for pair in itertools.zip_longest(ADULTS, CHILDREN) for being in pair if being is not None)

PERSON = {person.name: person for person in PEOPLE}

ANIMALS = tuple(
    Animal(*row)
    for row in (
        ("Bramble", "she", "goat", "goats", "stubborn", "bleated", "thistles", "on the woodpile"),
        ("Biscuit", "he", "dog", "dogs", "faithful", "barked", "bones", "under the table"),
        ("Soot", "she", "cat", "cats", "proud", "purred", "cream", "on the warm stove"),
        ("Duchess", "she", "hen", "hens", "fussy", "clucked", "corn", "in a straw nest"),
        ("Turnip", "he", "donkey", "donkeys", "patient", "brayed", "carrots", "in the barn"),
        ("Admiral", "he", "duck", "ducks", "noisy", "quacked", "pondweed", "among the reeds"),
        ("Button", "she", "pig", "pigs", "hungry", "grunted", "apples", "in the mud"),
        ("Cloud", "she", "sheep", "sheep", "timid", "bleated", "clover", "on the hill"),
        ("Crumb", "he", "mouse", "mice", "tiny", "squeaked", "cheese", "behind the flour sacks"),
        ("Inkwell", "he", "crow", "crows", "thieving", "cawed", "cherries", "in the tall elm"),
        ("Russet", "she", "fox", "foxes", "clever", "yapped", "berries", "in a dry den"),
        ("Hush", "she", "owl", "owls", "wise", "hooted", "moths", "in the hollow oak"),
        ("Plop", "he", "frog", "frogs", "jumpy", "croaked", "flies", "under a lily leaf"),
        ("Thistle", "he", "hedgehog", "hedgehogs", "shy", "sniffed", "beetles", "in a heap of leaves"),
        ("Comet", "she", "snail", "snails", "slow", "whispered", "lettuce", "beneath a flowerpot"),
    )
)
ANIMAL = {animal.kind: animal for animal in ANIMALS}
PROWLERS = [ANIMAL[kind] for kind in ("cat", "hen", "mouse", "hedgehog")]  # small enough to be anywhere

THINGS = tuple(
    Thing(*row)
    for row in (
        ("button", ("brass", "silver", "round"), True, True),
        ("key", ("rusty", "little", "iron"), True, True),
        ("ring", ("gold", "silver", "thin"), True, True),
        ("whistle", ("tin", "loud", "silver"), True, True),
        ("spoon", ("silver", "wooden", "bent"), True, True),
        ("thimble", ("silver", "dented", "tiny"), True, True),
        ("marble", ("green", "blue", "lucky"), True, True),
        ("bell", ("small", "copper", "cracked"), True, True),
        ("comb", ("ivory", "wooden", "yellow"), True),
        ("pencil", ("short", "red", "blunt"), True),
        ("map", ("old", "torn", "folded"), True),
        ("ribbon", ("red", "yellow", "long"), True),
        ("hat", ("straw", "tall", "green")),
        ("scarf", ("striped", "woollen", "orange")),
        ("umbrella", ("black", "huge", "old")),
        ("lantern", ("brass", "bright", "old")),
        ("kettle", ("copper", "black", "heavy")),
        ("basket", ("empty", "wicker", "round")),
        ("kite", ("blue", "paper", "orange")),
        ("drum", ("painted", "small", "loud")),
        ("blanket", ("soft", "patched", "grey")),
        ("teapot", ("blue", "cracked", "round")),
        ("hammer", ("heavy", "old", "iron")),
        ("fiddle", ("old", "brown", "shiny")),
    )
)

GOODS = tuple(
    Goods(*row)
    for row in (
        ("apple", "apples"), ("pear", "pears"), ("plum", "plums"), ("egg", "eggs"), ("bun", "buns"),
        ("onion", "onions"), ("turnip", "turnips"), ("carrot", "carrots"), ("candle", "candles"),
        ("cabbage", "cabbages"), ("fish", "fish"), ("loaf", "loaves"), ("pie", "pies"), ("cheese", "cheeses"),
    )
)  # fmt: skip

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BRIGHT = ("bright", "windy", "cold", "misty", "rainy", "golden")

_SMALL = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["", "", *["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]]


def number(value: int) -> str:
    """0 to 99 in words; 0 is "no", as in "no apples"."""
    if value < 20:
        return _SMALL[value]
    ten, one = divmod(value, 10)
    return _TENS[ten] + (f"-{_SMALL[one]}" if one else "")


def count(value: int, goods: Goods) -> str:
    """A number of goods: one plum, seven plums."""
    return f"{number(value)} {goods.one if value == 1 else goods.many}"
