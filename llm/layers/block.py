"""A block: attention copies information between positions, the MLP transforms it; both add to the residual stream.

Pre-norm (Xiong et al. 2020, arXiv:2002.04745):    x = x + sublayer(norm(x))    the stream itself is never normalised
Post-norm (Vaswani et al. 2017):                   x = norm(x + sublayer(x))
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from llm.config import Implementation, ModelConfig
from llm.layers.attention import build_attention
from llm.layers.cache import LayerCache
from llm.layers.mlp.build import build_mlp
from llm.layers.norm.base import build_norm


class Block(nn.Module):
    """Attention, then the MLP. It only composes: all arithmetic but the two additions lives in the layers.

    Hooks: resid_pre, attention_out, resid_mid, mlp_out, resid_post.
    """

    def __init__(self, config: ModelConfig, implementation: Implementation) -> None:
        super().__init__()
        self.pre_norm = config.norm_position == "pre"
        self.norm_attention = build_norm(config, implementation)
        self.attention = build_attention(config, implementation)
        self.norm_mlp = build_norm(config, implementation)
        self.mlp = build_mlp(config, implementation)
        self.dropout = nn.Dropout(config.dropout)
        self.hook_resid_pre, self.hook_resid_mid, self.hook_resid_post = nn.Identity(), nn.Identity(), nn.Identity()
        self.hook_attention_out, self.hook_mlp_out = nn.Identity(), nn.Identity()

    def forward(
        self, resid: Float[Tensor, "batch pos d_model"], cache: LayerCache | None = None
    ) -> Float[Tensor, "batch pos d_model"]:
        resid = self.hook_resid_pre(resid)  # [batch, pos, d_model]
        read = self.norm_attention(resid) if self.pre_norm else resid  # [batch, pos, d_model]
        attention_out = self.hook_attention_out(self.dropout(self.attention(read, cache)))  # [batch, pos, d_model]
        resid = resid + attention_out  # [batch, pos, d_model]
        resid = self.hook_resid_mid(resid if self.pre_norm else self.norm_attention(resid))  # [batch, pos, d_model]

        read = self.norm_mlp(resid) if self.pre_norm else resid  # [batch, pos, d_model]
        mlp_out = self.hook_mlp_out(self.dropout(self.mlp(read)))  # [batch, pos, d_model]
        resid = resid + mlp_out  # [batch, pos, d_model]
        return self.hook_resid_post(resid if self.pre_norm else self.norm_mlp(resid))  # [batch, pos, d_model]
