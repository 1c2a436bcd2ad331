"""Write the contract that the service serves to docs/api/openapi.json, for review."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from tests.contract.test_openapi import COMMITTED, app

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    Path(COMMITTED).write_text(json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n")
    print(f"Wrote {COMMITTED.name}")
