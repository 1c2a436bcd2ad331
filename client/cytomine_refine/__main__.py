"""The command line: ``python -m cytomine_refine``, or ``refine`` where the package is installed."""

from cytomine_refine.cli import run

if __name__ == "__main__":
    run()
