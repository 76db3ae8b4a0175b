"""A block: attention copies information between positions, the MLP transforms it; both add to the residual stream.

Norms stand where `norm_position` puts them:

Pre-norm (Xiong et al. 2020, arXiv:2002.04745):           x = x + sublayer(norm(x))    the stream is never normalised
Post-norm (Vaswani et al. 2017):                          x = norm(x + sublayer(x))
After the sublayer (OLMo 2, arXiv:2501.00656):            x = x + norm(sublayer(x))
Sandwich (Gemma 2, arXiv:2408.00118):                     x = x + norm(sublayer(norm(x)))

Sublayers follow each other, or with `sublayers` parallel both read the same (GPT-J, GPT-NeoX: arXiv:2204.06745):

                                                          x = x + attention(norm(x)) + MLP(norm(x))
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.attention import build_attention
from llm.layers.cache import LayerCache
from llm.layers.mask.hidden import Documents
from llm.layers.mlp.build import build_mlp
from llm.layers.norm.base import build_norm
from llm.layers.norm_position import REGISTRY as NORM_POSITIONS
from llm.layers.sublayers import REGISTRY as SUBLAYERS


class Block(nn.Module):
    """Attention, then the MLP. It only composes: all arithmetic but the two additions lives in the layers.

    Norms: `norm_attention`, `norm_mlp` of what a sublayer reads, or post-norm of the stream after its addition;
    `norm_attention_out`, `norm_mlp_out` of what it writes. Those that the config does not ask for pass on what they are
    given.

    Hooks: resid_pre, attention_out, resid_mid, mlp_out, resid_post; attention_out and mlp_out are what is added, so
    they come after a norm of what a sublayer writes.
    """

    def __init__(self, config: ModelConfig, implementation: Implementation, layer: int = 0) -> None:
        super().__init__()
        self.norm_reads = NORM_POSITIONS[config.norm_position].reads
        self.norm_writes = NORM_POSITIONS[config.norm_position].writes
        self.parallel = SUBLAYERS[config.sublayers].parallel
        self.one_norm = SUBLAYERS[config.sublayers].one_norm
        self.norm_end = NORM_POSITIONS[config.norm_position].stream
        self.norm_mid = self.norm_end and not self.parallel
        self.mlp_norm = self.norm_end or (self.norm_reads and not self.one_norm)
        self.norm_attention = build_norm(config, implementation) if self.norm_reads or self.norm_mid else nn.Identity()
        self.attention = build_attention(config, implementation, layer)
        self.norm_attention_out = build_norm(config, implementation) if self.norm_writes else nn.Identity()
        self.norm_mlp = build_norm(config, implementation) if self.mlp_norm else nn.Identity()
        self.mlp = build_mlp(config, implementation)
        self.norm_mlp_out = build_norm(config, implementation) if self.norm_writes else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.hook_resid_pre, self.hook_resid_mid, self.hook_resid_post = nn.Identity(), nn.Identity(), nn.Identity()
        self.hook_attention_out, self.hook_mlp_out = nn.Identity(), nn.Identity()

    def forward(
        self, resid: Float[Tensor, "batch pos d_model"], cache: LayerCache | None = None, documents: Documents = None
    ) -> Float[Tensor, "batch pos d_model"]:
        resid = self.hook_resid_pre(resid)  # [batch, pos, d_model]
        read = self.norm_attention(resid) if self.norm_reads else resid  # [batch, pos, d_model]
        attention_out = self.norm_attention_out(self.attention(read, cache, documents))  # [batch, pos, d_model]
        attention_out = self.hook_attention_out(self.dropout(attention_out))  # [batch, pos, d_model]
        if self.parallel and not self.one_norm:
            read = self.norm_mlp(resid) if self.norm_reads else resid  # [batch, pos, d_model]
        resid = resid + attention_out  # [batch, pos, d_model]
        resid = self.hook_resid_mid(self.norm_attention(resid) if self.norm_mid else resid)  # [batch, pos, d_model]

        if not self.parallel:
            read = self.norm_mlp(resid) if self.norm_reads else resid  # [batch, pos, d_model]
        mlp_out = self.norm_mlp_out(self.mlp(read))  # [batch, pos, d_model]
        mlp_out = self.hook_mlp_out(self.dropout(mlp_out))  # [batch, pos, d_model]
        resid = resid + mlp_out  # [batch, pos, d_model]
        return self.hook_resid_post(self.norm_mlp(resid) if self.norm_end else resid)  # [batch, pos, d_model]
