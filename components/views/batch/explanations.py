"""What the figures of a batch mean."""

from components.shared.explanation import Explanation
from llm.data import TextData
from llm.interpret.batch_losses import BatchLosses, batch_losses, step_windows
from llm.loss import token_losses

BATCH = Explanation(
    "The batch of a step",
    "The windows of training text that one optimizer step learns from. Which they are follows from the run's seed and "
    "the step's number, so these are the very windows that training has read, or will read next. The model is that of "
    "the snapshot, before it has learned from them: so their mean loss is the training loss that the run records for "
    "this step, up to rounding and dropout.",
    r"\text{start of window } k = \lfloor \left((u + k \varphi) \bmod 1\right) \cdot "
    r"(\text{tokens} - n_\text{ctx}) \rfloor",
    (step_windows, TextData),
    "Weyl 1916",
)

TOKEN_LOSS = Explanation(
    "Loss of a token",
    "How surprised the model is by this token, given those before it in its window: 0 if it was certain of it. A token "
    "with the full colour is as surprising as if the model found all tokens equally likely. The first token of a "
    "window is only read, so it has no loss. The guesses are the tokens that the model finds most likely in its place.",
    r"-\ln p(\text{token} \mid \text{tokens before}), \quad \text{full colour: } \ln d_\text{vocab}",
    (token_losses, batch_losses),
)

HARDEST = Explanation(
    "The hardest tenth",
    "The tokens with the greatest losses, a tenth of all, and how much of the sum of all losses they have.",
    r"\frac{\sum_{\text{hardest tenth}} \text{loss}}{\sum \text{loss}}",
    (BatchLosses,),
)
