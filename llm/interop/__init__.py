"""Export a model as one readable script that runs without this project."""
