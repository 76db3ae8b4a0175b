"""Inside: what a model holds at each layer, what pushes it to a token, and what changes when a part is switched off."""

from components.view_page import view_page

view_page(
    "inside",
    "Inside",
    "Each token travels through the layers as a vector, the *residual stream*, to which every head and MLP adds. These "
    "views show what the model would predict at each layer, which part wrote what, and what changes without it.",
)
