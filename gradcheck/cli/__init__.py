"""The command line."""

from gradcheck.cli.app import main

__all__ = ["main"]
