"""Keep phrases that no native would write, and names that we have settled otherwise, out of what users read.

``python -m scripts.check_words`` names each place; its test runs it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INSTEAD = {
    r"not for annotation work": "not meant for annotation work",
    r"slides? of yours": "your own slide",
    r"looks? an installation over": "checks an installation",
    r"a misspelt one": "an unknown name",
    r"(was|were) misspelt": "is wrong",
    r"opens the way to": "leads to",
    r"lets? a crowd of people loose": "measures how many people",
    r"skipped, and told": "skipped, and the run says so",
    r"Cytomine says no": "Cytomine refused",
    r"Taken back": "Undone",
    r"goes as last time": "judging by the last time",
    r"gets its box alone": "will use only the box",
    r"This is no slide": "This file is not a slide",
    r"to put right": "to fix",
    r"At most so many": "Most",
    r"How well best outlines": "How close the best outlines come",
    r"whole[- ]slide picture": "slide",
    r"of yours\b": "your own",
    r"[Ll]ook(ed|s)? at twice": "check",
    r"should be looked at first": "is doubtful",
    r"does not fit any more": "is no longer valid",
    r"[Mm]isspelt, or of the other": "misspelt, or named as on the other",
    r"What we said and was not so": "Corrections",
    r"is gone on with": "is continued",
    r"delays nobody": "delays no request",
    r"(put it|goes|go) in and out": "apply and remove",
    r"every byte as it was": "byte for byte",
    r"goes? on from (here|there)": "resumes from",
    r"(?<!here )\bis no (card|dataset|file|folder|journal|JSON|list|number|object|record|report|text)\b": "is not a",
    r"look before you repeat": "check it before you repeat",
    r"nobody answers at": "no answer from",
    r"took nothing back": "undid nothing",
    r"that no reader here knows": "unsupported",
    r"[Ll]ook at it before": "check it before",
    r"unless told else": "unless stated otherwise",
    r"(drawn|chosen) by chance": "chosen at random",
    r"\bis none of\b|\bthat (is|are) none\b": "is not",
    r"not there, or went away": "is not available",
    r"who never think": "who send their next request at once",
    r"hopeless here": "far too slow here",
    r"without a word": "without an answer",
    r"[Tt]o harm\b": "harmful",
    r"gave these numbers": "come from",
    r"in turns with": "alternating with",
}
"""Patterns, and what to write instead."""
_READ = (
    "*.md",
    "app/*.py",
    "bench/*.py",
    "bench/results/*.md",
    "client/*.py",
    "core-patch/*.java",
    "demo/*.py",
    "nginx/*.sample",
    "scale/*.py",
    "slides/*.py",
    "training/*.py",
    "demo/viewer/src/*.ts",
    "web-ui-patch/*.toml",
    "web-ui-patch/*.vue",
)
_LEFT_OUT = ("tests/",)


def findings(text: str) -> Iterator[tuple[int, str, str]]:
    """Give line, phrase and what to write instead, for each phrase of a text."""
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, better in INSTEAD.items():
            if found := re.search(pattern, line):
                yield number, found[0], better


def files() -> list[Path]:
    """Give the files whose words users read."""
    done = subprocess.run(["git", "ls-files", *_READ], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607  our own words
    return [ROOT / name for name in done.stdout.splitlines() if not name.startswith(_LEFT_OUT)]


def main() -> int:
    """Name every place; gives the exit status."""
    told = [
        f"{file.relative_to(ROOT)}:{line}: {phrase!r}; write {better!r}"
        for file in files()
        for line, phrase, better in findings(file.read_text(encoding="utf-8"))
    ]
    print("\n".join(told))
    return 1 if told else 0


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.exit(main())
