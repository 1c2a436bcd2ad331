"""Write the reference of settings to docs/settings.md, for review."""

from __future__ import annotations

import argparse
from pathlib import Path

from scripts.pages.settings_page import settings_page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    PAGE.write_text(settings_page())
    print(f"Wrote {PAGE.name}")
