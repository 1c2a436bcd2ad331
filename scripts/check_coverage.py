"""Fail if a branch of the rooms that decide things is not tested: geometry, usecases and api."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

COMPLETE = ("app/geometry/", "app/usecases/", "app/api/")


def main(report: str) -> int:
    """Read coverage's JSON report and name every line and branch that the tests do not reach."""
    try:
        files = json.loads(Path(report).read_text())["files"]
    except (OSError, ValueError, KeyError) as error:
        why = type(error).__name__
        print(f"error: {report} is not a JSON report of coverage ({why}): make test-all writes one.", file=sys.stderr)
        return 2
    gaps = [
        f"{name}: lines {entry['missing_lines']}, branches {entry['missing_branches']}"
        for name, entry in sorted(files.items())
        if name.startswith(COMPLETE) and (entry["missing_lines"] or entry["missing_branches"])
    ]
    print("\n".join(gaps) or f"Every branch of {', '.join(COMPLETE)} is tested.")
    return 1 if gaps else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", help="JSON report of coverage.")
    sys.exit(main(parser.parse_args().report))
