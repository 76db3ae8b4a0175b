"""What the figures of a comparison mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.comparison.bands import band
from llm.comparison.curves import bits_per_character, training_curve, training_flops
from llm.comparison.significance import loss_difference, seed_difference
from llm.training.evaluation import evaluate
from llm.world.skills import interval, looks_like_guessing

CURVES = Explanation(
    "The curves",
    "Training loss is that of each step's batch, before its update; a point is the mean over about a 25th of the steps "
    "so far, drawn in their middle. Validation loss is measured on passages that the model does not learn from, with "
    "its standard error; a diamond is measured on all of the validation text, after the last step.",
    r"\text{point} = \operatorname{mean}(\text{loss}_n, \ldots, \text{loss}_{n + w - 1}), \quad "
    r"w = \max(1, \lfloor n / 25 \rfloor)",
    (training_curve,),
)

BITS = Explanation(
    "Bits per character",
    "A tokenizer with longer tokens leaves fewer and harder predictions, so losses per token do not compare. Bits per "
    "character do: all nats of a text, divided by ln 2 and by its characters. Validation loss is counted on the very "
    "passages; training loss is converted by the characters per token of the whole training part.",
    r"\text{bits per character} = \frac{\text{loss}}{\ln 2} \cdot \frac{\text{tokens}}{\text{characters}}",
    (bits_per_character, evaluate),
)

FLOPS = Explanation(
    "Training FLOPs",
    "The multiplications and additions of all matrix products, forward and backward. They compare models of different "
    "size: how much arithmetic bought this loss. What is computed twice to save memory is not counted.",
    r"\text{FLOPs} = \text{tokens} \cdot \text{FLOPs per token}",
    (training_flops,),
)

SEEDS = Explanation(
    "A band over seeds",
    "Runs that differ in nothing but their seed have other weights at first, and see the text in another order. How "
    "far apart they end is what chance does: a smaller difference between two settings says nothing. The line is their "
    "mean; the band goes from the lowest to the highest of them, at the steps that all of them have.",
    r"\text{mean}, \min, \max \text{ over runs at the same step}",
    (band,),
)

SKILL_SCORES = Explanation(
    "Skills",
    "Pairs of continuations of which the story world can produce one: the fraction in which the model finds that one "
    "more likely, with its 95% interval, which stays within 0 and 100%. Guessing gets half of them right; the grey "
    "band is what guessing gives in 95 of 100 cases.",
    r"|a - 0.5| \le 2 \sqrt{0.25 / (\text{pairs} + 4)} \;\Rightarrow\; \text{like guessing}",
    (looks_like_guessing, interval),
)

VERDICT = Explanation(
    "More than noise?",
    "The lowest loss beside each of the others. Where both runs recorded the loss of each passage of the validation "
    "text, the differences are taken passage by passage: what makes a passage hard for both cancels. Else the two "
    "standard errors are added as squares. Where both settings were trained with several seeds, the means over the "
    "seeds are compared, which is the only one of the three that counts what another seed does.",
    r"\text{clear} \iff |\Delta| > 2\, SE_\Delta, \quad "
    r"SE_\Delta = \sqrt{\tfrac{n}{n - 1} \sum (d - \Delta x)^2} \, / \sum x",
    (loss_difference, seed_difference),
)

EXPLAINED = (VERDICT, CURVES, BITS, FLOPS, SEEDS, SKILL_SCORES)
