"""The machinery of a process: its compute thread, devices, atomic files, kept results."""
