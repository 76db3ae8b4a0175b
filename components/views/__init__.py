"""One folder a view: what it shows, the routes that feed it, its script and its style."""
