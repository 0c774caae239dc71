"""`python -m gradcheck` is the command."""

from gradcheck.cli.app import main

main(prog_name="gradcheck")
