"""The code reader: what each line of the running code makes of real input."""
