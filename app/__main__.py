"""The command line: ``python -m app``, or ``refine-service`` where the package is installed."""

from app.cli import run

if __name__ == "__main__":
    run()
