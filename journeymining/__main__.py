"""``python -m journeymining`` is the command line."""

from journeymining.cli import main

main()
