"""Looking inside a model: what each line of its code makes of real input."""
