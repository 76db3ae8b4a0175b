"""What the figures of a copying circuit mean."""

from __future__ import annotations

from components.shared.explanation import Explanation
from llm.interpret.ablation import ablate
from llm.interpret.composition import composition, random_composition
from llm.interpret.copied_pieces import copied_pieces, copying_loss
from llm.interpret.copying_circuit import circuit_pair, matched_tokens, own_ranks, written_tokens
from llm.interpret.copying_examples import copying_examples
from llm.interpret.copying_test import answer_probabilities, copying_losses_without
from llm.interpret.direct_logit_attribution import direct_logit_attribution

CIRCUIT_PAIR = Explanation(
    "The pair of heads",
    "The page starts with the two heads whose previous-token score times copying score is the greatest, the copying "
    "head in the later layer.",
    r"\max_{\text{layer}_1 < \text{layer}_2} \text{previous}[\text{layer}_1, \text{head}_1] \cdot "
    r"\text{copying}[\text{layer}_2, \text{head}_2]",
    (circuit_pair,),
)

CIRCUIT_PARTS = Explanation(
    "What the copying head looks for, and what it writes",
    "Both are read from the weights, as if the residual stream held only a token's embedding. QK: the score of a "
    "query at x for a position after each token t, of which the previous-token head left a note. OV: how much "
    "attending to y raises each token's logit. A norm after what a head wrote acts by its γ; its scale 1/σ, biases and "
    "position vectors are left out. Rotary angles are those of the example's distance. Ranks are among all tokens of "
    "the vocabulary.",
    r"\text{match}[x, t] = \frac{\big(\operatorname{norm}(W_E[x]) W_Q\big) \cdot "
    r"\big(\gamma \, \operatorname{norm}(W_E[t]) W_V^\text{prev} W_O^\text{prev} W_K\big)}"
    r"{\sqrt{d_\text{head}}}, \quad "
    r"\text{written}[y] = \gamma \, \operatorname{norm}(W_E[y]) W_V W_O W_U",
    (matched_tokens, written_tokens, own_ranks),
    "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
)

COMPOSITION = Explanation(
    "Composition of two heads",
    "How much of what an earlier head can write lies in the directions that a later head reads: with its keys (K), its "
    "queries (Q) or its values (V). Only weights count: norms, biases and positions, rotary angles or ALiBi's penalty, "
    "are outside of this product. Chance is the mean for random matrices of the same shapes.",
    r"\frac{\lVert W_{OV}^\text{earlier} \, W \rVert_F}{\lVert W_{OV}^\text{earlier} \rVert_F \, \lVert W \rVert_F}, "
    r"\quad W = W_{QK}^\top \text{ (K)}, \; W_{QK} \text{ (Q)}, \; W_{OV} \text{ (V) of the later head}",
    (composition, random_composition),
    "Elhage et al. 2021, A Mathematical Framework for Transformer Circuits",
)

DIRECT_EFFECT = Explanation(
    "Direct effect on the right piece",
    "What each head adds to the logit of the right piece, less what it adds to that of the other piece. All heads and "
    "all other parts together are exactly the logit difference. Direct means: not through later layers, which is why "
    "the previous-token head may add nothing and still be needed.",
    r"\text{effect}(c) = \operatorname{norm}(c) \cdot (W_U[:, \text{right}] - W_U[:, \text{other}])",
    (direct_logit_attribution,),
)

COPYING_TEST = Explanation(
    "Causal test",
    "Probabilities of the right and of the other piece after the last token: with another piece in every place from "
    "which the right one could be copied, and with heads switched off (their outputs are replaced by zero). Controls: "
    "the other piece at a position drawn at random, a head with low scores, the untrained model and a one-layer model.",
    r"p(\text{piece} \mid \text{text}) \;\to\; p(\text{piece} \mid \text{text with the other piece}), \quad "
    r"p(\text{piece} \mid \text{text}, \text{head} \to 0)",
    (answer_probabilities, ablate),
)

ABLATED_LOSS = Explanation(
    "Loss without a head",
    "How much the loss on held-out text grows when one head is switched off: on the copied pieces, and on all other "
    "tokens. A head that only copies costs much on the first and little on the second.",
    r"\text{loss}_{\text{head} \to 0} - \text{loss}, \quad \text{over copied pieces, over other tokens}",
    (copying_losses_without, copying_loss),
)

COPIED_PIECES = Explanation(
    "Copied pieces, and the examples",
    "Tokens that follow a repeated token as they did the last time, although in the training text their probability "
    "after that token alone is below 10%. The examples are those where the model predicts such a piece best beyond "
    "that probability, in the order of how much another piece in the earlier place lowers it: chosen to be clear, "
    "not typical. The held-out figures are over all of them.",
    r"\text{token}_p = \text{token}_q, \; \text{token}_{p+1} = \text{token}_{q+1}, \; q - p > 3, \; "
    r"p_\text{bigram}(\text{token}_{q+1} \mid \text{token}_q) < 0.1",
    (copied_pieces, copying_examples),
)
