"""The tables of a run as pictures and one self-contained page."""
