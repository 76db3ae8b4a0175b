"""Looking inside a model: what each part of it computes on a text, and what its weights have learned.

One module per idea, named after it; each figure is one function, defined in its docstring.
"""
