"""Attention: where every head of a model attends, one head with its arithmetic, and how both change in training."""

from components.view_page import view_page

view_page(
    "attention",
    "Attention",
    "In every layer, each token attends to earlier ones and takes information from them. Each *head* does so in its "
    "own way. Attention shows where information **can** flow, not whether or how it is used.",
)
