"""The code reader: the tensors that each line of the running code computes on real input."""
