"""Stories with numbers in them: sums at the market, sharing, guessing, days. Every sum is right."""

from __future__ import annotations

from llm.world.telling import Story
from llm.world.words import DAYS, GOODS, PERSON, count, number

FOOD = [goods for goods in GOODS if goods.one != "candle"]


EXCUSES = (
    "it rained.",
    "the key to the shed was missing.",
    "the goat ate the ladder's lowest step.",
    "{hero.he} had a cold.",
    "there were fresh buns at the bakery, and that took all day.",
    "the wind blew too hard.",
    "a cousin came to visit.",
    "the sun was so warm that {hero.he} fell asleep.",
    "{hero.he} had to look for {hero.his} boots.",
    "there was a circus on the bridge.",
)


def market(tell: Story) -> None:
    """Someone buys two kinds of goods and pays."""
    chance = tell.chance
    tell.adult("seller")
    tell.person("buyer", unlike="seller")
    first, second = chance.several(GOODS, 2)
    many, few, price, cost = chance.number(2, 6), chance.number(1, 4), chance.number(1, 4), chance.number(1, 5)
    total = many * price + few * cost
    paid = -(-total // 10) * 10 if total % 10 else total + 10
    tell.set(
        first=first, second=second, firsts=count(many, first), seconds=count(few, second),
        seconds_name=second.one if few == 1 else second.many, price=_pence(price), cost=_pence(cost),
        one=_pence(many * price), two=_pence(few * cost), total=_pence(total), paid=_pence(paid),
        change=_pence(paid - total), sum=f"{many * price} + {few * cost} = {total}",
    )  # fmt: skip
    tell.say(
        "On market day, {buyer.full} came to {seller}'s stall with a basket.",
        "{seller.full} had a stall at the market, and {when} {buyer.full} stopped in front of it.",
        "The market was full, and {buyer.full} had to wait at {seller}'s stall.",
    )
    tell.about("seller")
    tell.say(
        '"How much is a {first.one}?" asked {buyer}. "{price}," said {seller}.',
        '"What do you ask for a {first.one}?" asked {buyer}. "Only {price}," {seller} replied.',
    )
    tell.say(
        '"And a {second.one}?" "That is {cost}," said {seller}.',
        '"And what does a {second.one} cost?" "{cost}, and not a penny less," said {seller}.',
    )
    tell.say(
        '"Then I will have {firsts} and {seconds}," said {buyer}.',
        '"Please give me {firsts} and {seconds}," said {buyer}.',
    )
    tell.say(
        '{seller} counted on {seller.his} fingers. "{one} and {two} make {total}," {seller.he} said.',
        "{seller} wrote {sum} on a slate and drew a line under it.",
        '"{one} for the {first} and {two} for the {seconds_name}," said {seller}. "That is {total} in all."',
    )
    if chance.happens():
        tell.say(
            "{buyer} paid {paid} and got {change} back.",
            '{buyer} gave {paid}. "Here is your change, {change}," said {seller}.',
        )
    else:
        tell.say("{buyer} paid exactly {total}.", "{buyer} laid {total} on the table, coin by coin.")
    tell.say(
        "The {first} were so good that few of them reached home.",
        "On the way home {buyer} gave one {first.one} to [a hungry child|an old friend|the donkey].",
        '"Come again," said {seller}, and {buyer} did, the very next week.',
        '"You count faster than the clock," said {buyer}, and {seller} smiled.',
    )


def _pence(value: int) -> str:
    return "one penny" if value == 1 else f"{number(value)} pence"


def missing_sheep(tell: Story) -> None:
    """A flock is counted: one is missing, or one too many."""
    chance = tell.chance
    evening = tell.pick(["one evening", "one foggy evening", "on Sunday", "last Friday", "one night in autumn"])
    tell.set(bram=PERSON["Bram"], when=evening)
    tell.person("friend", unlike="bram")
    total, missing = chance.number(9, 20), chance.number(1, 4)
    tell.set(
        total=number(total), found=number(total - missing), missing=number(missing),
        sum=f"{total} - {missing} = {total - missing}", are="is" if missing == 1 else "are",
        were="was" if missing == 1 else "were", them="it" if missing == 1 else "them",
    )  # fmt: skip
    tell.say(
        "Bram the shepherd had {total} sheep on the hill.",
        "Every evening, Bram the shepherd counted his {total} sheep.",
    )
    tell.say(
        "{when}, he counted only {found}.",
        "But {when} there were only {found} at the gate.",
    )
    tell.say(
        '"{total} take away {found} is {missing}," he said. "So {missing} {are} missing."',
        "He wrote {sum} in the sand with his stick. So {missing} {were} missing.",
    )
    tell.say(
        "{friend.full} came to help him look.",
        '"I will help you look," said {friend.full}, and took a lantern.',
    )
    tell.say("They looked in the ditch and behind the wall.", "They called until the echo was tired.")
    tell.say(
        "At last they found {them} [in the orchard|in the school|at the mill], eating [clover|apples|the roses].",
        "And there, [behind the mill|under the bridge], the missing {missing} {were} eating grass in the moonlight.",
    )
    tell.say(
        "{found} and {missing} make {total}, and Bram could go home.", '"{total} again," said Bram, and shut the gate.'
    )
    tell.say(
        "That night he tried to count sheep, but he had had enough of them.",
        '"Were you afraid?" asked {friend}. "No," said Bram, "but I was counting."',
        '{friend} asked how he could tell them apart. "By their manners," said Bram.',
    )


def sharing(tell: Story) -> None:
    """So many pieces for so many friends, and what is left over."""
    chance = tell.chance
    tell.adult("cook")
    for role in ("a", "b", "c"):
        tell.child(role)
    each, left = chance.number(2, 5), chance.number(0, 2)
    tell.set(
        total=number(3 * each + left), each=number(each), left=number(left), piece="piece" if left == 1 else "pieces",
        treat=tell.pick(["an apple cake", "a plum tart", "a big cheese", "a honey cake", "a nut loaf"]),
    )  # fmt: skip
    tell.say(
        "{when}, {cook.full} cut {treat} into {total} pieces.",
        "{cook.full} had {treat}, and {cook.he} cut it into {total} pieces.",
    )
    tell.about("cook")
    tell.say("{a}, {b} and {c} were already at the table.", "Three children came to share it: {a}, {b} and {c}.")
    tell.say(
        '"How many for each of us?" asked {a}.',
        '"How many may we have?" asked {a}.',
    )
    tell.say('"{each} each," said {cook}, "if I can still count."', '"There are {each} for each of you," said {cook}.')
    tell.say("{b} checked it twice and nodded.", "{c} was so quick that {c.he} had finished before {b} began.")
    if each == 2:
        tell.maybe("Two and two and two make six.")
    elif each == 3:
        tell.maybe("Three times three is nine, which {a} knew already.")
    if left:
        tell.say("That left {left} {piece} on the plate.", "When everyone had {each}, {left} {piece} lay on the plate.")
        tell.say(
            '"And who gets the rest?" asked {b}. "The cook," said {cook}.',
            "They looked at the plate, and then at one another, and then at {cook}. {cook.He} ate fast.",
            "They gave the rest to {c}, who had been polite and asked for nothing.",
        )
    else:
        tell.say("Nothing was left, not even a crumb.", "It came out just right, and nothing was left.")
        tell.say(
            '"And what about me?" asked {cook}. So each of them gave {cook.him} a bite.',
            "{cook} licked the knife, which is the cook's share.",
        )


def beans_in_a_jar(tell: Story) -> None:
    """Three guess a number, and the nearest wins."""
    chance = tell.chance
    tell.adult("host")
    for role in ("a", "b", "c"):
        tell.person(role)
    real = chance.number(30, 80)
    low, high, near = (
        real - chance.number(8, 20),
        real + chance.number(6, 17),
        real + chance.pick((-3, -2, -1, 1, 2, 3)),
    )
    tell.set(
        real=number(real), low=number(low), high=number(high), near=number(near), off=number(abs(real - near)),
        prize=tell.pick(["a jar of honey", "a new hat", "the beans", "a round cheese", "a lemon cake"]),
        side="few" if real > near else "many",
    )  # fmt: skip
    tell.say(
        "At the fair, {host.full} filled a jar with beans.",
        "{when}, {host.full} put a jar of beans in the window of {host.place.the}.",
    )
    tell.about("host")
    tell.say('"Who can guess how many there are?" {host.he} asked.', '"How many beans are in here?" asked {host}.')
    guesses = chance.several([("a", "low"), ("b", "high"), ("c", "near")], 3)
    for who, guess in guesses:
        tell.say(
            f'"I say {{{guess}}}," said {{{who}}}.',
            f"{{{who}}} thought for a while and said {{{guess}}}.",
            f'{{{who}}} [squinted|walked round the jar|shut one eye]. "I guess {{{guess}}}."',
        )
    tell.say(
        "{host} tipped them out and counted {real} beans.",
        "They counted them together, and there were {real}.",
    )
    tell.say(
        "{low} was too few and {high} was too many, but {c} was only {off} away.",
        "{c} was the nearest, with only {off} too {side}.",
    )
    tell.say(
        "So {c} won {prize}.",
        '"How did you know?" asked {a}. "I grow beans," said {c}, and took {prize} home.',
    )
    tell.maybe(
        "{b} ate one of the beans and said that it was a very good bean.", "Nobody found out who had eaten the others."
    )


def school_sums(tell: Story) -> None:
    """Mabel asks, the children answer."""
    chance = tell.chance
    for role in ("a", "b"):
        tell.child(role)
    x, y, z = chance.number(2, 9), chance.number(2, 9), chance.number(1, 9)
    first, second = chance.several(FOOD, 2)
    w = z + chance.number(1, 8)
    tell.set(
        x=number(x), y=number(y), xs=count(x, first), sum=number(x + y), written=f"{x} + {y} = {x + y}",
        w=count(w, second), z=number(z), rest=number(w - z), left=count(w - z, second),
    )  # fmt: skip
    tell.say(
        "It was sums day at the school, and Mabel the teacher had new chalk.",
        "Mabel the teacher looked round the class. {a} hid behind {a.his} slate.",
        "{when}, Mabel the teacher asked the hardest sums in the book.",
    )
    tell.say(
        '"If you have {xs} and I give you {y} more, how many have you got?" she asked.',
        '"What do {x} and {y} make?" she asked.',
    )
    tell.say(
        '"{sum}," said {a}.',
        '{a} counted under the table. "{sum}," {a.he} said.',
        "{a} wrote {written} on {a.his} slate.",
    )
    tell.say('"Good," said Mabel. "And now you, {b}."', '"Quite right," said Mabel, and turned to {b}.')
    tell.say(
        '"You have {w}, and you eat {z}. What have you got?"',
        '"There are {w} on the table, and you eat {z}. What is left?"',
    )
    if chance.happens():
        tell.say('"{rest}," said {b}, "and I am still hungry."', '"{left}," said {b} at once.')
        tell.say(
            '"Right again," said Mabel, and rang the bell for lunch.',
            "Mabel nodded and gave {b.him} a gold star.",
        )
    else:
        tell.say('"A stomach ache," said {b}.', '"That depends," said {b}. "Is my brother in the room?"')
        tell.say(
            "The whole class laughed, and Mabel laughed with them.",
            '"The book says {left}," said Mabel, "but yours is better."',
            "Mabel hid her smile behind the book.",
        )


def lamps(tell: Story) -> None:
    """Silas is ill, and the lamps still have to be lit."""
    chance = tell.chance
    tell.set(silas=PERSON["Silas"])
    for role in ("a", "b", "c"):
        tell.child(role)
    x, y = chance.number(4, 8), chance.number(3, 9)
    tell.set(x=number(x), y=number(y), z=number(20 - x - y), before=number(x + y))
    tell.say(
        "Every evening Silas the lamplighter lit the twenty lamps of Pebbleby.",
        "There are twenty lamps in Pebbleby, and Silas the lamplighter lights them all.",
    )
    tell.say("But {when} he lay in bed with a cold.", "But {when} he sneezed so hard that he blew out his own match.")
    tell.say('"Who will light the lamps?" he asked, and coughed.', '"Tonight it will be dark," he said sadly.')
    tell.say('"We will," said {a}, {b} and {c}.', "{a}, {b} and {c} took his ladder and his long pole.")
    tell.say("{a} lit {x} lamps along the river.", "By the river, {a} lit {x}.")
    tell.say("{b} lit {y} lamps around the square.", "In the square, {b} lit {y}.")
    tell.say("That made {before}, and it was nearly night.", '"{x} and {y} make {before}," said {b}.')
    tell.say("{c} ran up the hill and lit the last {z}.", "{c} took the last {z}, on the hill, where the wind is.")
    tell.say(
        "From his window Silas counted twenty lights, and fell asleep.",
        '"Twenty," said Silas at his window. "Not one is missing."',
    )
    tell.maybe("In the morning he felt much better.", "He said later that they had never burned so bright.")


def a_week_of_work(tell: Story) -> None:
    """Day after day something comes between a person and a job."""
    tell.adult("hero")
    tell.person("friend", unlike="hero")
    tell.set(
        job=tell.pick(["paint the gate", "mend the roof", "write to my aunt", "sweep the chimney", "wash the windows"]),
        colour=tell.pick(["red", "blue", "green", "white"]),
    )
    start = tell.chance.number(0, 1)
    tell.say(
        '"This week I will {job}," said {hero.full}.',
        '"{job}? I will do it this week," said {hero.full} on Sunday evening.',
    )
    tell.about("hero")
    excuses = tell.chance.several(EXCUSES, 4)
    for day, excuse in zip(DAYS[start : start + 4], excuses, strict=True):
        tell.set(day=day)
        tell.say("On {day} " + excuse, "{day} came, and " + excuse)
    tell.set(last=DAYS[start + 4], after=DAYS[start + 5])
    tell.say(
        "On {last}, {friend.full} came by and asked how it was going.",
        'On {last}, {friend.full} looked in. "Is it done?" {friend.he} asked.',
    )
    tell.say('"Very well," said {hero}. "I have not been late once."', '"Nearly," said {hero}. "I have almost begun."')
    tell.say(
        "So {friend} rolled up {friend.his} sleeves, and they did it together in an hour.",
        '"Then let us do it now," said {friend}, and by noon it was done.',
    )
    tell.say(
        "On {after} they both had a long rest.",
        '"That was easy," said {hero}. "Why did it take five days?"',
        "{hero} slept late on {after}, and nobody minded.",
    )
