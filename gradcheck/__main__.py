"""The command, as `gradcheck` and as `python -m gradcheck`."""

import sys


def run() -> None:
    """Run the command line. Ctrl-C is exit status 130, while it is being imported, too."""
    try:
        from gradcheck.cli.app import main

        main(prog_name="gradcheck")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
