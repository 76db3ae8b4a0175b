"""Stories in which something is compared, counted, remembered or rhymed."""

from __future__ import annotations

from llm.world.sayings import RHYMED_PAIRS
from llm.world.tables import days_in_a_row, numbers, sums
from llm.world.telling import Story

DISHES = (
    "bean soup",
    "fish pie",
    "pancakes",
    "cold potatoes",
    "cabbage rolls",
    "onion tart",
    "plum dumplings",
    "porridge",
)
STEPS = sums(range(11, 40))

_PARTS = (("door", "doors"), ("window", "windows"), ("roof", "roofs"), ("gate", "gates"), ("chimney", "chimneys"))
_WHOLES = (("barn", "barns"), ("stable", "stables"), ("cottage", "cottages"), ("shed", "sheds"), ("tower", "towers"))
MENDING = numbers(
    part=_PARTS,
    parts=(0, 1),
    whole=_WHOLES,
    wholes=(0, 1),
    what=lambda part, parts, whole, wholes: f"{part[parts]} of the {whole[wholes]}",
    was=lambda parts: ("was", "were")[parts],
    was_not=lambda parts: ("were", "was")[parts],
    needs=lambda parts: ("needs", "need")[parts],
    needs_not=lambda parts: ("need", "needs")[parts],
    it=lambda parts: ("it", "them")[parts],
)


def before_the_fair(tell: Story) -> None:
    """Someone walks round with a list of what has to be mended."""
    tell.person("hero")
    tell.person("friend", unlike="hero")
    tell.say(
        "In a week there was the fair, and {hero.full} walked round with a list.",
        "{when}, {hero.full} looked at the village with the eyes of a stranger.",
        '"The fair is coming, and look at us!" said {hero.full}, and took a pencil.',
    )
    tell.about("hero")
    tell.draw(MENDING)
    tell.draw(MENDING, "_b")
    tell.say(
        "The {what} {was?agreement:was_not} [crooked|broken|as old as the hill|covered with moss].",
        "{hero} saw that the {what} {was?agreement:was_not} [crooked|broken|as old as the hill|covered with moss].",
    )
    tell.say(
        '"And the {what_b} {needs_b?agreement:needs_not_b} [paint|help|a good wash]," {hero.he} said.',
        "The {what_b} {was_b?agreement:was_not_b} [no better|even worse|held together by string].",
    )
    tell.say(
        '"Who is going to do all that?" asked {friend.full}. "You and I," said {hero?names}.',
        "{friend.full} read the list and rolled up {friend.his} sleeves.",
    )
    tell.say(
        "{hero} held the ladder, and {friend} held the hammer.",
        "They worked from Monday to Friday, and the hammer was heard as far as the harbour.",
    )
    tell.draw(MENDING, "_c")
    tell.say(
        "On Saturday, the {what_c} {was_c?agreement:was_not_c} [like new|bright blue|the pride of the village].",
        "In the end, the {what_c} {was_c?agreement:was_not_c} [like new|bright blue|the pride of the village].",
    )
    tell.say(
        "Then it rained all through the fair, and nobody saw it but the ducks.",
        '"And now," said {friend}, "I should like to sit down."',
        "Everyone who came to the fair said that nothing had changed, and how lovely it was.",
    )


def long_stairs(tell: Story) -> None:
    """Two count the steps of the bell tower."""
    tell.child("a")
    tell.child("b", unlike="a")
    tell.adult("c")
    tell.draw(STEPS)
    tell.say(
        '"How many steps are there in the bell tower?" asked {c.full} {when}. Nobody knew.',
        "{when}, {a.full} and {b.full} climbed the bell tower with {c.full} and counted the steps.",
    )
    tell.about("c")
    tell.say(
        "{a} counted {x} as far as the landing, where the pigeons live.",
        "There were {x} steps up to the little window, as {a} found out.",
    )
    tell.say("From there, {b} counted {y} more up to the bell.", "{b} counted the rest of them, and that was {y}.")
    tell.say(
        '"{x} and {y} make {sum?large_sums:slip}," said {b}.',
        '"That makes {sum?large_sums:slip}," said {a}, who was out of breath.',
        "{a} wrote {x:digits} + {y:digits} = {sum:digits?large_sums:slip} on the wall with a piece of chalk.",
    )
    tell.say(
        "And there were just as many on the way down, which surprised nobody but {b}.",
        '"I have counted them every day for years," said {c}, "but never twice the same."',
        '"And the last one is the highest," said {b}, and rubbed {b.his?pronouns} knees.',
    )


def pumpkin_show(tell: Story) -> None:
    """Three pumpkins are weighed."""
    for role in ("a", "b", "c"):
        tell.adult(role)
    tell.animal("pet")
    tell.say(
        "Three people brought a pumpkin to the show: {c}, {a} and {b}.",
        "{when}, there was a pumpkin show, and {b}, {c} and {a} were all sure to win.",
    )
    tell.say(
        '"Mine is so big that I had to open the roof," said {b}.',
        '"Mine talks in its sleep," said {c}.',
        '"I fed mine with milk," said {a}.',
    )
    tell.say(
        "{a}'s pumpkin was heavier than {b}'s, and {b}'s was heavier than {c}'s.",
        "{b}'s pumpkin was heavier than {c}'s, but {a}'s was heavier than {b}'s.",
        "{c}'s pumpkin was lighter than {b}'s, and {b}'s was lighter than {a}'s.",
        "{b}'s pumpkin was lighter than {a}'s, but {c}'s was lighter than {b}'s.",
    )
    tell.say(
        "So the heaviest pumpkin was grown by {a?sizes:c}, and the lightest by {c}.",
        "So the lightest pumpkin was grown by {c?sizes:a}, and the heaviest by {a}.",
        '"Whose is the heaviest?" asked {b}. "It belongs to {a?sizes:c}," said the judge.',
        '"Whose is the lightest?" asked {b}. "It belongs to {c?sizes:a}," said the judge.',
    )
    tell.say(
        "But {pet.full} ate the prize while they were all looking at the scales.",
        "{pet.full} fell asleep inside the winner, and nobody had the heart to cut it.",
        '"Mine is still the roundest," said {c}, and that was the truth.',
        "They made one soup of all three, and it lasted until spring.",
    )


def what_we_ate(tell: Story) -> None:
    """A week's dinners, and someone who cannot remember them."""
    tell.adult("cook")
    tell.child("a", unlike="cook")
    tell.draw(days_in_a_row(3))
    tell.several("m1 m2 m3", DISHES)
    tell.say(
        "{a.full} stayed with {cook.full} for three days.",
        "For three days {cook.full} cooked for {a.full}.",
    )
    tell.about("cook")
    tell.say(
        "On {d1} they had {m1}, on {d2?days} {m2}, and on {d3?days} {m3}.",
        "They ate {m1} on {d1}, {m2} on {d2?days}, and {m3} on {d3?days}.",
    )
    tell.say(
        "{a} ate everything, even the bits at the bottom.",
        "On the way home, {a} met {a.his} friends.",
        "Then {a} went home.",
    )
    day, other = tell.chance.pick([(1, 2), (2, 1), (2, 3), (3, 2), (3, 1), (1, 3)])
    dish = f"{{m{day}?recall:m{other}}}"
    tell.say(
        f'"What did you have on {{d{day}}}?" they asked at home. "It was {dish}," said {{a?names}}.',
        f'"And what was there on {{d{day}}}?" asked {{a.his}} aunt. "We had {dish}," {{a.he?pronouns}} said.',
    )
    tell.say(
        '"And what was best?" "The bit that fell on the floor," said {a}. "The dog told me."',
        '"Was it good?" "It was hot," said {a}, "and there was a lot of it."',
        "The next week {cook} asked {a.him} to come again, and to bring a bigger stomach.",
    )


def rhyming_game(tell: Story) -> None:
    """One gives a line, the other has to find the rhyme."""
    tell.person("a")
    tell.child("b", unlike="a")
    tell.say(
        "It was a long way to market, and so {a.full} and {b.full} made rhymes.",
        '"I bet that you cannot rhyme," said {a.full} to {b.full} {when}.',
        "{a.full} and {b.full} were waiting for the rain to stop, and played at rhymes.",
    )
    tell.say("{a} began.", '"You first," said {b}.', "{a} thought for a moment.")
    _couplet(tell, "")
    tell.say(
        '"Not bad," said {b}. "Now it is my turn."',
        "{b} clapped {b.his?pronouns} hands and went on.",
        '"I know a better one," said {b}.',
    )
    _couplet(tell, "_b")
    tell.say('"One more," said {a}, "and then we stop."', "They both shouted the last one.", "{a} took a deep breath.")
    _couplet(tell, "_c")
    tell.say(
        "A cow looked over the hedge and shook its head.",
        '"Who won?" asked {b}. "The last word," said {a}.',
        "And they did not stop until both of them were out of words.",
        '"Stop, or I shall dream in rhymes," said {a?names}.',
    )


def _couplet(tell: Story, tag: str) -> None:
    tell.draw(RHYMED_PAIRS, tag)
    x, y = f"{{x{tag}}}", f"{{y{tag}?rhymes:off{tag}}}"
    tell.line(
        f'"I gave my button to a {x},\nand got in return a {y}."',
        f'"One fine day I saw a {x},\nit was dancing with a {y}."',
        f'"In my dream there was a {x},\nsitting proudly on a {y}."',
        f'"Who has seen the little {x}?\nIt went away to find a {y}."',
        f'"I do not want another {x},\nall I wish for is a {y}."',
    )


def then_and_now(tell: Story) -> None:
    """Someone asks how it used to be."""
    tell.adult("hero")
    tell.child("b", unlike="hero")
    tell.adult("c")
    tell.say(
        '"What was it like when you were small?" asked {b.full}.',
        "{b.full} had to write about old times, and so {b.he} went to see {hero.full}.",
    )
    tell.say(
        '"The hill was higher, and the soup was thicker," said {hero}.',
        '"We had one shoe each, and took turns," said {hero}.',
        '"There was no bridge, so we shouted," said {hero}.',
    )
    tell.say('"And {c.full}?" asked {b}.', '"What about {c.full}?" {b.he?pronouns} asked.')
    tell.say(
        "In those days, {c} {c.then?tenses:c.now} {c.task} at night.",
        "Long ago, {c} {c.then?tenses:c.now} {c.task} alone.",
    )
    tell.say(
        "Nowadays, {c} {c.now?tenses:c.then} {c.task} with a helper.",
        "These days, {c} {c.now?tenses:c.then} {c.task} until noon, and then there is tea.",
    )
    tell.say(
        "To this day, {hero} {hero.now?tenses:hero.then} {hero.task}, as everyone knows.",
        "In all those years, {hero} {hero.then?tenses:hero.now} {hero.task} every day but one.",
    )
    tell.say(
        '"And was it better then?" asked {b}. "No," said {hero}, "but I was quicker on the stairs."',
        '"Is that all true?" asked {b}. "Most of it," said {hero}, "and the rest is older still."',
        "{b} wrote it all down, and the part about the shoes twice.",
    )


def swapped_work(tell: Story) -> None:
    """Two change places for a day, since the other's work looks easy."""
    tell.adult("a")
    tell.adult("b", unlike="a")
    tell.adult("c")
    tell.say(
        "{a.full} and {b.full} were neighbours, and looked at each other over the hedge.",
        "{when}, {a.full} met {b.full} on the way home, and both were tired.",
    )
    tell.say(
        "Every day {a} {a.now?tenses:a.then} {a.task}, and {b} {b.now?tenses:b.then} {b.task}.",
        "All through the winter, {a} {a.then?tenses:a.now} {a.task}, and {b} {b.then?tenses:b.now} {b.task}.",
    )
    tell.say(
        '"Your work is so easy," said {a}. "I could do it with one hand," said {b}.',
        '"I wish that I had your work," said {b} to {a}. "Take it," said {a}, "and give me yours."',
    )
    tell.say(
        "So the next Monday, {b} {a.then} {a.task}, and {a} {b.then} {b.task}.",
        "And so, the next morning, {a} {b.then} {b.task}, and {b} {a.then} {a.task}.",
    )
    tell.say(
        "By noon {a} had hurt {a.his?pronouns} thumb, and {b} had lost {b.his?pronouns} shoes.",
        "By ten o'clock both of them had to lie down.",
        "What they had done by the evening, nobody wants to say aloud.",
    )
    tell.say(
        '"Who did this?" asked {c.full}. "We did," they said, and looked at the floor.',
        "{c.full} came by, looked, and went away again.",
    )
    tell.say(
        "Since then {a} {a.now?tenses:a.then} {a.task} again, and is glad of it.",
        "Now {b} {b.now?tenses:b.then} {b.task} as before, and never says a word about easy work.",
    )
    tell.maybe(
        '"I shall never say that word again," said {a}. "Which word?" asked {b}. "Easy," said {a?names}.',
        "They still talk about it, but never on a full stomach.",
    )
