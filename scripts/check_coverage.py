"""Fail if a branch of the rooms that decide things is not tested: geometry, usecases and api."""

from __future__ import annotations

import json
import sys
from pathlib import Path

COMPLETE = ("app/geometry/", "app/usecases/", "app/api/")


def main(report: str) -> int:
    """Read coverage's JSON report and name every line and branch that the tests do not reach."""
    files = json.loads(Path(report).read_text())["files"]
    gaps = [
        f"{name}: lines {entry['missing_lines']}, branches {entry['missing_branches']}"
        for name, entry in sorted(files.items())
        if name.startswith(COMPLETE) and (entry["missing_lines"] or entry["missing_branches"])
    ]
    print("\n".join(gaps) or f"Every branch of {', '.join(COMPLETE)} is tested.")
    return 1 if gaps else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
