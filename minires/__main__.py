"""`python -m minires`: the command line, where the `minires` command is not on the path."""

from .cli import main

main()
