"""The command line: ``python -m app``."""

from app.cli import run

if __name__ == "__main__":
    run()
