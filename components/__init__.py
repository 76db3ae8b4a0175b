"""What the app is made of: views, forms and page states, and the read-only routes that feed them."""
