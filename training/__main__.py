"""Command line of the training: ``python -m training --help``."""

from training.cli import run

if __name__ == "__main__":
    run()
