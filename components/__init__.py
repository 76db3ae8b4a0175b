"""How things look: the app's charts, strips, forms and states, and the read-only routes that feed them."""
