"""`uv run llm serve`: a run's model behind OpenAI's interface, for programs that know no other.

A request is checked (`parsing`), becomes one or several texts that the `engine` continues together with those of other
requests, and is answered in OpenAI's form (`answers`). `app` has the routes, `guard` says who gets an answer.
"""
