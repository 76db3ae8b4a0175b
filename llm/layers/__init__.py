"""One concept a file: parameters once, the forward pass in three implementations."""
