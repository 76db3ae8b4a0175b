"""The story world: a seeded generator of the short original stories that training.txt is made of."""
