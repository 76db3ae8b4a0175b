"""What the figures of a training run mean."""

from __future__ import annotations

from dataclasses import replace

from components.shared.explanation import Explanation
from llm.checkpoints import RunConfig
from llm.comparison.bands import band
from llm.comparison.curves import training_curve
from llm.comparison.expected import expected
from llm.data.masking import Masking, measured_tokens
from llm.data.passages import Passages
from llm.training.baselines import kneser_ney, measure_baselines
from llm.training.evaluation import evaluate, ratio
from llm.training.gradients import gradient_norms
from llm.training.novelty import seen_in_training
from llm.training.optimizers.adamw import adamw_step
from llm.training.optimizers.muon import muon_step
from llm.training.schedule import learning_rate_multiplier
from llm.world.entropy import entropy, floor

BASELINES = Explanation(
    "The dashed lines",
    "What you get without a network, by counting the training part, on the same passages as the validation curve: all "
    "tokens equally likely (uniform), each as likely as it is frequent (unigram), as it is after the token before "
    "(bigram), as it is after the two before (trigram). Kneser-Ney smoothing takes a discount D from each count, so "
    "that what was never counted gets a probability too. On the stories of training.txt, a network that sees one token "
    "does not get below the bigram line; so a model below it by more than a few standard errors of the validation loss "
    "uses more than one token of context. A network can get below the trigram line with two tokens, because it "
    "also learns which tokens are alike. Older runs have no trigram line, and a bigram line with one added to each "
    "count: too high.",
    r"\begin{array}{c} p(w \mid h) = \dfrac{\max(c(h w) - D, 0)}{c(h)} + \gamma(h)\, p(w \mid h') \\ "
    r"h' = h \text{ without its oldest token} \end{array}",
    (kneser_ney, measure_baselines),
    "Kneser & Ney 1995; Chen & Goodman 1999",
)

TRAINING = Explanation(
    "The training curves",
    "Faint: the loss of each step, on the windows that this step learned from. They differ from step to step, so the "
    "curve is noisy. Strong: means over blocks of steps, w = 1 step long at first and later a 25th of the steps before "
    "them. Each mean is drawn in the middle of its block, so the curve does not lag: a mean over the steps before, "
    "drawn at the last of them, would be too high while the loss falls, and make the validation loss look better. "
    "The curve ends half a block before the last step. A step's loss is measured before the step, the validation loss "
    "after it.",
    r"\bar L = \frac{1}{w} \sum_{i=n}^{n+w-1} L_i \text{ at step } n + \tfrac{w - 1}{2}, "
    r"\quad w = \max(1, \lfloor n / 25 \rfloor)",
    (training_curve,),
)

FLOOR = Explanation(
    "The floor",
    "The stories of training.txt are told by a program that makes random choices: who appears, what is lost, where it "
    "is found. No model can know such a choice before it is read. The information of these choices is known exactly, "
    "since the program knows their probabilities; the floor is its mean over 20,000 stories, as nats per token of "
    "this validation text. It is an upper bound, as a text can come about in more ways than the one that is "
    "counted; but a model that reads few tokens at once, or begins in the middle of a story, may not reach it. "
    "Validation loss clearly below it would be an error in the measurement. The validation text has chance of its own: "
    "compare with ±.",
    r"\text{floor} = \frac{\ln 2}{\text{characters}} \sum_\text{choices} -\log_2 p(\text{choice}) \cdot "
    r"\frac{\text{characters}}{\text{token}}",
    (entropy, floor),
    "Shannon 1948, A Mathematical Theory of Communication",
)

EXPECTED = Explanation(
    "The band",
    "Drawn for a run on training.txt with the default settings, whatever its seed: between the lowest and the highest "
    "validation loss of runs that differ only in their seed, measured by experiments/expected_loss.py. With so few "
    "runs, one outside the band can still be chance.",
    r"\min_\text{seeds} L \ldots \max_\text{seeds} L",
    (expected, band),
)

VALIDATION = Explanation(
    "Validation",
    "A part of the text, usually 5%. The model does not learn from it; its tokenizer learns only which characters "
    "occur in it. If training loss keeps falling and validation loss does not, the model overfits. Every "
    "point of the curve is measured on the same passages of about 512 characters, evenly spaced, whatever the "
    "tokenizer; the figure at the end of a run on all of that text. ± is the standard error: about two times in "
    "three, the loss on an unlimited amount of such text would be within it. The weights with the lowest validation "
    "loss are kept as the best. The test part, usually the last 5%, is used neither to train nor to choose weights. "
    "In older runs validation is the last tenth, measured on windows of n_ctx tokens.",
    r"\text{SE} = \frac{1}{\sum x} \sqrt{\tfrac{n}{n - 1} \textstyle\sum (y - \text{loss} \cdot x)^2}, "
    r"\quad \text{a passage has } y \text{ nats in } x \text{ tokens}",
    (evaluate, ratio, Passages),
    "Cochran 1977, Sampling Techniques, chapter 6",
)

NOVELTY = Explanation(
    "How new the validation text is",
    "A sentence that the training part contains word for word can be predicted from memory.",
    r"\frac{\text{sentences that are in the training part}}{\text{sentences}}",
    (seen_in_training,),
)

BITS_PER_CHARACTER = Explanation(
    "Bits per character",
    "The loss per character of text instead of per token, so that runs with different tokenizers can be compared. "
    "A perfect text compressor built on this model would need this many bits for each character.",
    r"\frac{\sum_i -\ln p(\text{token}_i)}{\ln 2 \cdot \text{characters}}",
    (evaluate,),
    "Shannon 1948, A Mathematical Theory of Communication",
)

PERPLEXITY = Explanation(
    "Perplexity and accuracy",
    "Perplexity: the model is as uncertain as if it chose among that many equally likely tokens. Accuracy: how "
    "often its most likely token is the right one.",
    r"\text{perplexity} = e^{\text{loss}}",
    (evaluate,),
)

LEARNING_RATE = Explanation(
    "Learning rate",
    "How far each step moves the weights: AdamW moves each weight by about the learning rate at most, Muon all "
    "directions of a matrix about equally far. It rises during warm-up and later falls, so that the model settles. The "
    "chart shows AdamW's; Muon's has the same shape and its own peak.",
    r"\begin{array}{c} \text{AdamW: } \theta \leftarrow \theta - \eta_t \, \dfrac{\hat m}{\sqrt{\hat v} + \epsilon} \\ "
    r"\text{Muon: } W \leftarrow W - \eta_t \sqrt{\max(1, \text{fan}_\text{out} / \text{fan}_\text{in})} \, O \\ "
    r"\text{with } O \approx AB^\top \text{, where } A \Sigma B^\top \text{ is the mean gradient} \end{array}",
    (learning_rate_multiplier, adamw_step, muon_step),
    "Loshchilov & Hutter 2019, arXiv:1711.05101; Jordan 2024, kellerjordan.github.io/posts/muon",
)

GRADIENT_NORM = Explanation(
    "Gradient norm",
    "How strongly the loss depends on the weights, all of them together. A spike often means unusual text; a "
    "gradient whose norm is above the maximum is scaled down to it.",
    r"\lVert g \rVert_2 = \sqrt{\sum_j g_j^2}",
    (gradient_norms,),
    "Pascanu et al. 2013, arXiv:1211.5063",
)


MASKED = Explanation(
    "The loss of masked tokens",
    "This model sees what comes after a token, so it cannot learn to predict the next one. Some tokens of each window "
    "are chosen instead, and its loss is that of these alone: most are replaced by a mask token, and the model fills "
    "them in from both sides. Such a loss cannot be compared with that of a model that predicts the next token, and "
    "the lines of predictors that do, the floor and the expected band are not drawn. On validation text always the "
    "same tokens are masked, 15% of each passage, so the points of the curve compare.",
    r"L = \text{mean over chosen positions of } -\ln p(\text{token} \mid \text{all that is not masked})",
    (Masking.hide, measured_tokens),
    "Devlin et al. 2018, arXiv:1810.04805",
)


def explanations(config: RunConfig) -> tuple[Explanation, ...]:
    """Those of a run, with how new its own validation text is."""
    seen = config.about(float, "text", "sentences_seen_in_training", "validation")
    here = f" In this run's text, that is {seen:.0%} of the validation sentences." if seen is not None else ""
    novelty = replace(NOVELTY, words=NOVELTY.words + here)
    return (
        TRAINING,
        *((BASELINES, FLOOR, EXPECTED) if config.model.causal else (MASKED,)),
        VALIDATION,
        novelty,
        BITS_PER_CHARACTER,
        PERPLEXITY,
        LEARNING_RATE,
        GRADIENT_NORM,
    )
