"""From batches to a trained model: the loop, optimizers, evaluation and background runs."""
