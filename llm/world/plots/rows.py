"""Stories in which a row of words without sense is said, and later said again, word for word.

Nothing can be known of such a row in advance, and any word can stand beside any other: to say it again, one has to look
up each word of it where it was said before, and to say what followed there.
"""

from __future__ import annotations

from llm.world.telling import Story

WORDS = (  # those that occur 20 times or more in training.txt
    "about", "across", "afraid", "after", "afternoon", "again", "against", "ago", "all", "alone", "along", "already",
    "always", "am", "and", "another", "answer", "answered", "answers", "anyone", "anything", "are", "arm", "as",
    "ashamed", "ask", "asked", "asleep", "at", "ate", "autumn", "away", "back", "backs", "backwards", "bag", "bake",
    "baked", "baker", "baking", "ball", "bank", "barked", "barrel", "barrels", "basket", "bath", "be", "beak",
    "beard", "because", "bed", "beekeeper", "been", "before", "began", "behind", "being", "bell", "belt", "beside",
    "best", "better", "between", "bigger", "bird", "birds", "birthday", "blanket", "blew", "boards", "boat", "boots",
    "both", "bottom", "bought", "bowed", "branch", "bread", "breakfast", "bricks", "bridge", "bright", "bring",
    "broke", "broom", "brought", "bucket", "bun", "but", "button", "buyers", "by", "cabbages", "cake", "called",
    "came", "can", "candle", "candles", "cannot", "card", "carried", "carry", "cart", "cat", "cats", "ceiling",
    "chair", "cheerful", "cheese", "cherry", "chew", "chick", "chin", "clap", "climbed", "clock", "closes", "cloud",
    "clouds", "coat", "cobbler", "cold", "comes", "corner", "could", "count", "counted", "counts", "covered", "crept",
    "cried", "cross", "crow", "crows", "crumbs", "crust", "cry", "curtain", "cut", "dark", "day", "days", "deep",
    "dents", "did", "do", "does", "dog", "dogs", "doing", "donkey", "donkeys", "door", "doorbells", "down",
    "dreaming", "drier", "dripped", "driving", "dropped", "drove", "dry", "duck", "ducklings", "ducks", "dust",
    "each", "ear", "earned", "ears", "easy", "egg", "eight", "elm", "end", "enough", "even", "evening", "ever",
    "every", "everyone", "except", "eye", "eyes", "fall", "fallen", "familiar", "far", "farmer", "fast", "feathers",
    "feel", "feet", "fell", "fence", "fetched", "fine", "first", "fish", "fisherman", "fishing", "fit", "five",
    "flew", "floated", "floor", "flour", "foot", "for", "forgot", "forgotten", "found", "four", "friends", "frog",
    "frogs", "from", "front", "full", "gardener", "gate", "gave", "gently", "get", "ghost", "give", "go", "goat",
    "goats", "goes", "going", "golden", "gone", "good", "goose", "got", "grass", "grey", "groaned", "guard",
    "guarding", "guards", "guess", "guessed", "gust", "had", "half", "hand", "handed", "hands", "hard", "has", "hat",
    "have", "hay", "he", "head", "heap", "hear", "heard", "hedgehog", "hedgehogs", "held", "hello", "help", "hen",
    "hens", "her", "here", "hid", "hill", "him", "himself", "his", "hold", "hole", "home", "horse", "hour", "house",
    "how", "hung", "hungry", "hurrying", "if", "in", "inside", "into", "ironing", "is", "it", "its", "itself", "jerk",
    "jump", "jumped", "just", "keeping", "kept", "kettle", "key", "kicked", "kindly", "kitchen", "kite", "knees",
    "knew", "knock", "knocked", "know", "known", "ladder", "laid", "landed", "lane", "lantern", "lanterns", "last",
    "late", "laugh", "laughed", "lay", "lean", "learn", "leave", "leaves", "left", "let", "letter", "lid", "lifted",
    "light", "like", "liked", "listen", "lit", "little", "long", "look", "looked", "looking", "loudly", "lunch",
    "made", "make", "many", "marble", "market", "may", "mayor", "me", "mend", "mice", "midnight", "mill", "miller",
    "mine", "mirror", "missing", "misty", "moment", "moon", "more", "morning", "mostly", "mother", "mouse", "move",
    "moved", "much", "mud", "must", "my", "nails", "name", "named", "nearly", "need", "never", "new", "next", "night",
    "nightcap", "nightcaps", "nine", "no", "nobody", "noise", "none", "noon", "not", "note", "nothing", "notice",
    "now", "nut", "oak", "of", "off", "old", "older", "on", "once", "one", "only", "open", "opened", "order",
    "ordered", "other", "out", "outside", "over", "owl", "owls", "own", "paint", "paper", "parasols", "parcel",
    "pass", "passing", "past", "path", "patient", "pear", "peep", "peg", "people", "pie", "pig", "pigs", "pillow",
    "plate", "plum", "polite", "pond", "postman", "presents", "prize", "properly", "pull", "pulled", "pulling",
    "pumpkin", "pumpkins", "push", "pushed", "put", "pyjamas", "quacked", "questions", "quiet", "quietly", "rain",
    "rainy", "rang", "rattled", "reached", "read", "ready", "really", "remember", "replied", "reply", "rest",
    "ribbon", "riddle", "ring", "rise", "river", "road", "rod", "rode", "roll", "rolled", "room", "rose", "round",
    "row", "run", "rung", "rustled", "sad", "sadly", "safe", "said", "sailed", "sailor", "salty", "same", "sang",
    "sat", "saw", "say", "scarf", "scratch", "sea", "seat", "second", "see", "seemed", "seen", "send", "seven",
    "shallow", "she", "sheep", "shell", "shepherd", "shiny", "shoe", "shoes", "shook", "short", "should", "shouted",
    "shut", "shutter", "sick", "side", "since", "sing", "singing", "sister", "sitting", "six", "sky", "sleep",
    "sleepy", "slid", "slippers", "slippery", "slow", "slowly", "small", "smaller", "smell", "smelled", "smiled",
    "snail", "sneezed", "snoring", "snow", "so", "soap", "sold", "some", "somebody", "something", "soon", "sooner",
    "speak", "special", "splashed", "spoke", "spokes", "spoon", "spring", "square", "stairs", "stamps", "stands",
    "stars", "stay", "stayed", "staying", "step", "still", "stirred", "stomach", "stone", "stood", "stop", "stopped",
    "straw", "strength", "string", "strokes", "stuck", "suitcases", "summer", "sun", "supper", "sure", "swallowed",
    "swam", "swim", "swimming", "swung", "table", "tadpoles", "taller", "tap", "taught", "teacher", "tell", "ten",
    "than", "thanked", "that", "the", "their", "them", "then", "there", "they", "thimble", "think", "thinking",
    "thirsty", "this", "thought", "three", "threw", "tickled", "tied", "tight", "time", "tiny", "tiptoed", "tired",
    "to", "toast", "today", "toe", "toes", "together", "told", "too", "took", "top", "tore", "travelled", "tree",
    "tried", "trombones", "true", "trunk", "try", "turn", "turned", "turnip", "turns", "twice", "two", "umbrella",
    "under", "until", "up", "vanished", "very", "village", "wait", "waited", "waiting", "walk", "walked", "walking",
    "wall", "want", "wanted", "wants", "warm", "warmer", "was", "washed", "washing", "watched", "water", "way", "we",
    "weaver", "week", "weeks", "well", "went", "were", "wet", "what", "wheel", "wheels", "when", "where", "which",
    "while", "whispered", "whistle", "whistled", "who", "whole", "whose", "why", "will", "willow", "wind", "window",
    "windows", "windy", "wish", "wished", "with", "without", "woke", "word", "work", "world", "would", "wrote",
    "yawned", "year", "yet", "you", "your", "yours",
)  # fmt: skip
LENGTHS = range(5, 11)  # of a row


def parrot(tell: Story) -> None:
    """A parrot knows a few words, and soon so does everybody."""
    row = _draw_row(tell)
    tell.adult("owner")
    tell.child("child")
    tell.say(
        "{when}, {owner.full} brought home a parrot that knew {length} words.",
        "The parrot of {owner.full} knew {length} words and said them all day.",
        "A parrot flew in at the window of {owner.full}, sat down on the clock and began to talk.",
    )
    tell.say(f'"{row}," said the parrot.', f'"{row}," it said, and closed one eye.')
    tell.maybe(
        '"What does that mean?" asked {child.full}.',
        "{child.full} listened and did not laugh.",
        '"It is very wise," said {owner}.',
    )
    tell.say(f'"{row}," it said again.', f'"{row}," it said, a little louder.', f'"Is it {row}?" asked {{child.full}}.')
    tell.maybe(f'By supper even the hens said it: "{row}."', f'"{row}," said {{owner}} in {{owner.his}} sleep.')


def password(tell: Story) -> None:
    """A box, or a door, that opens only if the right words are said."""
    row = _draw_row(tell)
    tell.person("keeper")
    tell.person("guest", unlike="keeper")
    tell.choose("lock", "box", "door", "gate", "chest", "cupboard")
    tell.say(
        f"To open the {{lock}}, one had to say: {row}.",
        f'"The {{lock}} opens only if you say {row}," said {{keeper.full}}.',
        f"{{keeper.full}} whispered the words that open the {{lock}}: {row}.",
    )
    tell.say(
        "{guest.full} [nodded|shut both eyes|took a deep breath|stood very straight].",
        '"That is easy," said {guest.full}.',
    )
    tell.say(f'"{row}," said {{guest}}.', f'"{row}," said {{guest}} slowly.', f"{{guest.He}} said it: {row}.")
    tell.say(
        "The {lock} opened at once.",
        "The {lock} opened, and inside there was [a bun|nothing|another one|a cat].",
        "Something clicked, and the {lock} opened.",
    )
    tell.maybe(
        f"{{guest}} never forgot it: {row}.",
        f"Above it, in small letters, it said: {row}.",
        f'"{row}," sang {{guest}} all the way home.',
    )


def charm(tell: Story) -> None:
    """Words that help against hiccups, if they are said twice."""
    row = _draw_row(tell)
    tell.person("ill")
    tell.adult("helper", unlike="ill")
    tell.choose("trouble", "hiccups", "a cold", "a bad dream", "cold feet", "a long nose")
    tell.say(
        "{ill.full} had {trouble}, and nothing helped.",
        "{when}, {ill.full} woke up with {trouble}.",
        '"I have {trouble}," said {ill.full}.',
    )
    tell.say(
        f'"Say this with me," said {{helper.full}}: "{row}."',
        f'{{helper.full}} knew a charm: "{row}."',
        f'"My grandmother used to say {row}," said {{helper.full}}.',
    )
    tell.say(f'"{row}," said {{ill}}.', f'{{ill}} tried it: "{row}."', f'"{row}?" asked {{ill}}.')
    tell.say(f'"Once more," said {{helper}}. "{row}," said {{ill}}.', f"And again: {row}.", "Nothing happened.")
    tell.say("Then {ill.he} was well.", "It helped a little.", "It was gone by [noon|supper|the evening].")


def counting_out(tell: Story) -> None:
    """Two children count out who begins, with words that do not rhyme."""
    row = _draw_row(tell)
    tell.child("first")
    tell.child("second", unlike="first")
    tell.say(
        "{first.full} and {second.full} could not agree who was to begin.",
        "{when}, {first.full} and {second.full} played in the yard.",
        '"Who begins?" asked {first.full}. "Let us count it out," said {second.full}.',
    )
    tell.say(f'"{row}," counted {{first}}.', f'{{first}} pointed from one to the other: "{row}."')
    tell.maybe('"That is me," said {second}.', '"That is you," said {first}.', "The last word fell on {second}.")
    tell.say(
        f'Then {{second}} counted: "{row}."',
        f'"{row}," counted {{second}}, to be sure.',
        f'"No, it goes {row}," said {{second}}.',
    )
    tell.maybe(f'"{row}," they shouted together.', f'All day long one heard it from the yard: "{row}."')


def _draw_row(tell: Story) -> str:
    """Draw a row of words; what stands for it in a frame."""
    roles = [f"word_{number}" for number in range(tell.chance.pick(LENGTHS))]
    tell.put("length", len(roles), LENGTHS)
    tell.several(" ".join(roles), WORDS)
    return " ".join(f"{{{role}}}" for role in roles)
