"""Stories that live on words: riddles, letters, messages, songs, recipes, questions."""

from __future__ import annotations

from llm.world.sayings import COUPLETS, DISHES, INGREDIENTS, NEWS, QUESTIONS, RHYMES, RIDDLES, SHOPPING_LISTS, WHISPERS
from llm.world.telling import Story
from llm.world.words import ANIMAL, CHILDREN, PEOPLE, PERSON


def riddle(tell: Story) -> None:
    """One asks, one guesses wrong, one guesses right."""
    tell.draw(RIDDLES)
    tell.person("asker")
    tell.person("a")
    tell.person("b")
    if tell.chance.happens(0.25):
        tell.say('"Here is one that you will never guess," said {asker.full}.')
        tell.say('"{clue} {hint} What am I?"', '"{hint} {clue} What am I?"')
    else:
        tell.say(
            "{when}, {asker.full} asked a riddle.",
            "It was a long evening, and so {asker.full} asked a riddle.",
            "{asker.full} stood by the well and would not let anyone pass without a riddle.",
        )
        tell.about("asker")
        tell.say(
            '"{clue} {hint} What am I?"',
            '"{hint} {clue} What am I?"',
            '"{clue} What am I?" {asker.he} asked. "I will tell you more: {hint}"',
        )
    if tell.chance.happens(0.7):
        tell.say(
            '"{wrong}," said {a} at once.',
            '{a} thought hard. "Is it {wrong}?" {a.he} asked.',
            '"That must be {wrong}," said {a}.',
        )
        tell.say('"No," said {asker?names:a}. "{why}."', '{asker?names:a} laughed. "{why}," {asker.he} said.')
    tell.chance.pick([_guessed, _guessed, _given_up])(tell)


def _guessed(tell: Story) -> None:
    tell.maybe(
        "{b} said nothing for a while and looked [out of the window|into the fire|at the ceiling|deep into a teacup].",
        "{b} said it all backwards, to be sure.",
        '"I need quiet," said {b}, and went under the table.',
    )
    tell.say(
        '"A {answer?riddles}!" cried {b}.',
        '"It is a {answer?riddles}," said {b} at last.',
        '"Could it be a {answer?riddles}?" {b.he?pronouns} asked.',
    )
    tell.say(
        '"Right," said {asker?names:b}, "and now it is your turn to ask one."',
        '"Yes," said {asker?names:b}, a little sadly. It was the only riddle {asker.he} knew.',
        '{asker?names:b} bowed. "You must have heard it before," {asker.he} said. "No, I guessed it," said {b}.',
        '"Yes," said {asker}. "I was just going to say that," said {a}, and everyone laughed.',
    )


def _given_up(tell: Story) -> None:
    tell.say("Nobody said a word until supper.", '"I give up," said {b}.')
    tell.say(
        '"It is a {answer?riddles}," said {asker?names:b}.',
        '{asker?names:b} smiled. "A {answer?riddles}," {asker.he?pronouns} said.',
    )
    tell.say(
        '"That was too easy," said {b}, who had not known it.',
        "Then they all groaned and asked for another one.",
    )


def letter(tell: Story) -> None:
    """A letter is written, carried, and answered."""
    writers = [person for person in PEOPLE if person.name != "Edgar"]
    tell.person("a", pool=writers)
    tell.person("b", pool=writers)
    tell.say(
        "{when}, {a.full} sat down to write a letter to {b.full}.",
        "{a} missed {b}, and so {a.he} took a sheet of paper and a pen.",
        "{a.full} had never written a letter before, but {when} {a.he} tried.",
    )
    tell.maybe("It took all morning and four drops of ink.", "Soot the cat walked across it only once.")
    tell.about("a")
    tell.line(
        "Dear {b}, how are you? The [apples|plums|roses] are [ripe|late|lovely] this year.",
        "Dear {b}, thank you for the [honey|book|soup]. It was just what I needed.",
        "Dear {b}, it has rained for a week, and I have read all my books twice.",
    )
    tell.draw(NEWS)
    tell.line("{news}")
    tell.line(
        "Please come on [Saturday|Sunday|Friday], and bring [nothing but yourself|your fiddle|an empty stomach].",
        "Will you visit me before the [swallows|holidays|storms] come?",
    )
    tell.line("With love from {a}.", "Your friend, {a}.")
    tell.say(
        "Edgar the postman carried it over the bridge in his bag.",
        "Edgar the postman lost it, found it, and brought it the next day.",
    )
    tell.say(
        "{b} read it [twice|three times|aloud to the cat] and smiled.",
        "When {b} read it, {b.he} laughed out loud.",
        "{b} opened it at the kitchen table and put {b.his} spoon down.",
    )
    tell.say("{b.he} wrote back at once.", "The answer came by the next post.")
    tell.line("Dear {a}, {reply}", "My dear {a}, {reply}")
    tell.line(
        "I am on my way. Yours, {b}.",
        "Put the kettle on, for I am coming. {b}.",
        "Of course I will come. Your old friend, {b}.",
    )


def whispers(tell: Story) -> None:
    """A message changes from mouth to ear."""
    for role in ("a", "b", "c"):
        tell.person(role)
    tell.adult("d", unlike="a")
    chain = tell.draw(WHISPERS)
    if tell.chance.happens():
        tell.say("{when}, {a.full} had a message for {d.full}.")
        tell.say('"{x}," {a.he} said to {b}.', 'The message that {a.he} gave to {b} was this: "{x}."')
    else:
        tell.say('"Run to {d.full} and say this," said {a.full} to {b.full}: "{x}."')
    tell.say(
        "But the wind was loud, and the wheel of the mill was louder.", "{b} had wool in {b.his} ears, and ran off."
    )
    tell.say('"{y}," {b} said to {c}.', '{b} met {c} and told {c.him}: "{y}."')
    tell.say(
        '{c} was surprised, but {c.he} ran on. "{z}," {c.he} told {d}.', '"{z}," {c} said to {d}, quite out of breath.'
    )
    tell.say(
        '"Are you sure?" asked {d}. "Those were the words," said {c}.',
        '"How strange," said {d}, but {d.he} did as {d.he} was told.',
    )
    tell.say(str(chain["outcome"]))
    tell.say(
        '"What is this?" asked {a}. "Your message," said {d}.', "{a} stared, and then laughed until the tears came."
    )
    tell.say(
        "Next time {a} wrote it down.",
        "From then on {a} went {a.himself}.",
        "{a} liked it better than what {a.he} had asked for.",
    )


def a_song(tell: Story) -> None:
    """Someone makes up a song, and it travels."""
    tell.person("a")
    tell.person("b", unlike="a")
    tell.say(
        "{when}, {a.full} made up a song.",
        "{a.full} always sang at work, and {when} it was a new song.",
        "There was a tune in {a.full}'s head, and it would not come out.",
    )
    tell.about("a")
    tell.say(
        "It had no words at first, so {a.he} borrowed some.",
        "{a.he} hummed it, and then the words came.",
        "{a.he} opened {a.his} mouth and sang.",
    )
    tell.verse(RHYMES)
    tell.say(
        '"What does it mean?" asked {b.full}. "Nothing," said {a}, "but it rhymes."',
        "{b.full} stopped to listen, and tapped {b.his} foot.",
        '"Is there more?" asked {b.full}. "There is always more," said {a}.',
    )
    tell.say("Then {b} added a verse.", "{b} thought for a moment and sang the next one.")
    tell.verse(RHYMES, "_again")
    tell.say(
        "By evening the whole village sang it, each in another key.",
        "Nell the sailor took it across the river, and it has not come back yet.",
        "The crow learned it too, but only the wrong notes.",
        "Even Jonas the cobbler hummed it, when he thought that he was alone.",
    )


def lullaby(tell: Story) -> None:
    """A grown-up sings an animal or a child to sleep, in couplets."""
    tell.adult("a")
    tell.child("b", unlike="a")
    tell.say(
        "{b} was staying with {a.full} for the night.",
        "It was late in the house of {a.full}, and {b.full} was still wide awake.",
        '"I am not tired at all," said {b.full} to {a.full}.',
    )
    tell.say(
        '"Then I will sing," said {a}, "and you may correct me."',
        '"Sing me the one about the night," said {b}.',
        '"Lie still and listen," said {a}.',
    )
    tell.verse(COUPLETS)
    tell.say('"More," said {b}.', '"Is that all?" asked {b}. "No," said {a}.', "{b} yawned, but {b.he} hid it.")
    tell.verse(COUPLETS, "_again")
    tell.say(
        "Then it was quiet, because {b} was asleep.",
        '"And now?" asked {a}. But nobody answered.',
        "When the song was over, {a} was asleep, and {b} put out the light.",
    )


def recipe(tell: Story) -> None:
    """A dish is cooked from a list, and one thing is forgotten or swapped."""
    tell.person("cook")
    tell.person("taster", unlike="cook")
    recipe_row = tell.draw(DISHES)
    tell.say(
        "{when}, {cook.full} wanted to make {dish}, and took the list from the drawer.",
        '"Today I will cook {dish}," said {cook.full}, and opened the big book.',
    )
    for item in tell.chance.several(INGREDIENTS[str(recipe_row["dish"])], 5):
        tell.line(f"- {item}.")
    tell.maybe(
        "{cook} mixed it, stirred it, and put it over the fire.",
        "First {cook.he} stirred, then {cook.he} waited, then {cook.he} stirred again.",
    )
    tell.say(
        "Soon {taster.full} came in, led by the smell.",
        '"Is it ready?" asked {taster.full}, with a spoon in {taster.his} hand. "Nearly," said {cook}.',
    )
    tell.say("{taster} took a spoonful and was silent.", "{taster} tasted it and made a long face.")
    tell.say(
        '"Well?" asked {cook}. "It {effect}," said {taster}.',
        '"It {effect}," said {taster} politely.',
    )
    tell.say("{cook} looked at the list again, and there it was: {missing}.", '"{missing}!" cried {cook}.')
    tell.say("So {mend}.", "Then {mend}.")
    tell.say(
        "They ate it all, and licked the spoons.",
        "It was the best that either of them had ever eaten.",
        "There was nothing left for the dog, who was hurt.",
    )


def why(tell: Story) -> None:
    """One asks and one answers, as well as one can."""
    tell.person("a")
    tell.person("b")
    tell.say(
        "{when}, {a.full} began to ask questions and did not stop.",
        "{a.full} had nine questions a day, and it was only noon.",
        "{a.full} lay in the grass and looked at the sky.",
        "{a.full} wanted to know everything, and there was an hour until supper.",
    )
    tell.about("a")
    for number_asked, row in enumerate(tell.chance.several(QUESTIONS, tell.chance.number(2, 4))):
        tell.put_row(row, QUESTIONS)
        if number_asked == 0:
            tell.say(
                '"{q}" asked {a}. "{r?answers}," said {b.full}.',
                '"{q}" {a.he?pronouns} asked. "{r?answers}," replied {b.full}.',
            )
        else:
            tell.say(
                '"And {q}" "{r}."',
                '"{q}" asked {a}. "{r?answers}," said {b}.',
                '{a} thought about that. "{q}" "{r}," said {b}.',
            )
    tell.say(
        '"Do you know everything?" asked {a}. "No," said {b}, "but I know when to go to bed."',
        '"And why do I ask so much?" asked {a}. "Because you listen to the answers," said {b}.',
        '"Now may I ask you something?" said {b}. "Yes," said {a}. "Are you hungry?"',
        "{b} had no more answers left, so they ate a [pear|peach] and were quiet.",
        "{b} had no more answers left, so they ate a "
        "[melon|lemon|fig|coconut|radish|mango|pretzel|doughnut|banana|quince|parsnip|wafer|apricot|cucumber|"
        "mushroom|nectarine|tangerine|strudel], and were quiet.",
    )


def shopping_rhyme(tell: Story) -> None:
    """A child is sent to the shop and makes a rhyme of the list, so as not to forget."""
    tell.put("winnie", PERSON["Winnie"])
    tell.person("a", pool=[child for child in CHILDREN if child.parent != "Winnie"])
    tell.animal("pet", pool=[ANIMAL[kind] for kind in ("dog", "goat", "hen", "duck", "pig")])
    tell.draw(SHOPPING_LISTS)
    tell.say(
        "{a.parent} sent {a} to the shop for {items}.",
        '"Go to the shop and buy {items}," {a.parent} said to {a}. "Can you remember that?"',
    )
    tell.say('"I will make a rhyme of it," said {a}, and set off.', "So as not to forget it, {a} sang it on the way.")
    tell.line('"{first}\n{second}"')
    tell.say(
        "At the corner {pet.full} {pet.sound}, and {a} fell over a bucket.",
        "Then {a} met {pet.full}, who {pet.sound} so loudly that {a.he} stopped singing.",
    )
    tell.say(
        "When {a} went on, part of the rhyme was gone.", "{a} began the song again, but it did not come out the same."
    )
    tell.say('"What may I give you?" asked Winnie. "{wrong}," said {a}.', '"{wrong}, please," said {a} in the shop.')
    tell.say(
        '"Are you sure?" asked Winnie. "No," said {a}, "but it rhymes."',
        'Winnie scratched her ear. "Sing it to me," she said, and then she knew.',
    )
    tell.say(
        "And because Winnie knew {a.parent}, the basket held {items} all the same.",
        "So {a} came home with {items}, and with a sugar plum for the song.",
    )
