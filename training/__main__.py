"""Command line of the training: ``python -m training --help``."""

import sys

if __name__ == "__main__":
    try:
        from training.cli import run

        run()
    except KeyboardInterrupt:  # before a command could say what it keeps
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
