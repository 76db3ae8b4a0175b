"""To and from the formats of other projects, and out into the open: a model as one readable script."""
