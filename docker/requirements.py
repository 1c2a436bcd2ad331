"""Print what the project requires with some of its extras, but for the packages named after them."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras, *left_out = sys.argv[1:]
for requirement in sum(
    (project["optional-dependencies"][extra] for extra in extras.split(",")), project["dependencies"]
):
    if re.split(r"[^\w-]", requirement, maxsplit=1)[0] not in left_out:
        print(requirement)
