"""`python -m gradcheck` is the command."""

from gradcheck.cli import main

main(prog_name="gradcheck")
