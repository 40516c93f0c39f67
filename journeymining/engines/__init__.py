"""The prepared log, and where analyses run on it."""
