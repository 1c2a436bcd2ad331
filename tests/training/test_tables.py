"""The registry of the thesis' tables and figures: complete, true to the text, and run end to end."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from app.errors import InvalidSettings
from tests.conftest import SHARED_DATA
from training.cli import app
from training.dataset import Dataset, open_dataset
from training.dataset.export import Choice, export
from training.dataset.sources.tiles import TilesFolder
from training.errors import BrokenDataset
from training.finetune.recipe import PRESETS
from training.start import Machine
from training.tables.entry import Entry
from training.tables.learning import School
from training.tables.lines import lines_of
from training.tables.registry import ALL, DATASETS, ENTRIES, command_of, entry_of, numbers_of_the_thesis
from training.tables.summing import of_the_thesis
from training.tables.weights import read_weights

CPU = Machine(torch.device("cpu"), mixed=False)
SMALL = read_weights([], small=True)
TILES = [f"{kind}_{n:02d}" for kind, some in (("nuclei_field", (3, 18, 19)), ("gland_polyp", (3, 8, 18))) for n in some]
"""Of the shared tiles: a slide of each kind for every side of the split."""
TEXTS = sorted((Path(__file__).parents[3] / "shared" / "seed").glob("*.txt"))
RUN = [entry for entry in ENTRIES if not entry.elsewhere]
TABLES = [*(f"4.{n}" for n in range(1, 8)), *(f"5.{n}" for n in range(1, 18)), *(f"6.{n}" for n in range(1, 10)), "7.1"]
FIGURES = [
    *(f"figure 4.{n}" for n in range(1, 7)), *(f"figure 5.{n}" for n in range(1, 7)),
    *(f"figure 6.{n}" for n in range(1, 6)), "figure A.1", "figure A.2", *(f"figure B.{n}" for n in range(1, 5)),
]  # fmt: skip


def test_every_table_and_figure_of_the_chapters_is_there_once() -> None:
    numbers = [entry.number for entry in ENTRIES]
    assert len(set(numbers)) == len(numbers)
    assert {*TABLES, *FIGURES} <= set(numbers)
    assert set(numbers) - {*TABLES, *FIGURES} == {"recipes", "sam2-histology"}


def test_the_command_line_lists_them_with_their_commands() -> None:
    answer = CliRunner().invoke(app, ["tables"])
    assert answer.exit_code == 0, answer.output
    for entry in ENTRIES:
        assert entry.title in answer.output
        assert command_of(entry) in answer.output
    assert 'python -m training table "figure 5.6" --data DATA' in answer.output
    assert "python -m training table 6.9 --data DATA --unseen OTHER" in answer.output
    listed = json.loads(CliRunner().invoke(app, ["tables", "--json"]).stdout)
    assert [each["number"] for each in listed] == [entry.number for entry in ENTRIES]
    assert listed[0] == {
        "number": ENTRIES[0].number,
        "title": ENTRIES[0].title,
        "command": command_of(ENTRIES[0]),
    }


@pytest.mark.parametrize("entry", RUN, ids=lambda entry: entry.number)
def test_lines_are_those_of_the_thesis(entry: Entry) -> None:
    theirs = numbers_of_the_thesis().get(entry.number, {})
    labels = [line.label for line in lines_of(entry, DATASETS)]
    assert len(set(labels)) == len(labels)
    if entry.number in TABLES:
        assert set(labels) == set(theirs)
        measured = {metric for metrics in theirs.values() for metric in metrics}
        assert measured <= set(entry.metrics)
    else:
        assert not theirs


@pytest.mark.skipif(not TEXTS, reason="the text of the thesis is not at hand")
@pytest.mark.parametrize("number", TABLES)
def test_numbers_are_those_of_the_text(number: str) -> None:
    lines = TEXTS[0].read_text(encoding="utf-8").split("\n")
    start = next(at for at, line in enumerate(lines) if line.startswith(f"Table {number}:"))
    body = []
    for line in lines[start + 2 :]:
        if not line.strip():
            break
        body.append(line)
    in_the_text = Counter(float(cell) for line in body for cell in line.split("\t") if re.fullmatch(r"[\d.]+", cell))
    ours = Counter(
        value
        for metrics in numbers_of_the_thesis()[number].values()
        for values in metrics.values()
        for value in values.values()
    )
    assert ours == in_the_text
    assert ours


def test_what_is_trained_is_trained_as_in_the_thesis() -> None:
    sam, sam2 = (entry_of(number).lines[0].arm.recipe for number in ("5.1", "5.2"))
    assert sam is not None
    assert sam2 is not None
    assert (sam.loss, sam.batch, sam2.loss, sam2.batch) == ("bce", 64, "bce-iou", 16)
    assert sam2 == PRESETS["thesis"]
    assert [line.arm.recipe and line.arm.recipe.batch for line in entry_of("5.7").lines] == [3, 4]
    assert {line.arm.recipe and line.arm.recipe.batch for line in entry_of("6.4").lines} == {32}
    refined = entry_of("6.8").lines[0].arm
    assert refined.begins == entry_of("5.1").lines[0].arm
    everything = entry_of("5.9").lines[0].asked
    assert [(each.box, each.mask, each.positive, each.negative) for each in everything.prompts] == [
        ("jittered", None, 0, 0), (None, "loose", 0, 0), ("jittered", None, 5, 5), (None, "loose", 5, 5),
        ("jittered", "loose", 5, 5),
    ]  # fmt: skip


def test_every_combination_of_datasets_is_a_line() -> None:
    lines = lines_of(entry_of("5.4"), ("a", "b", "c"))
    assert [line.label for line in lines] == ["zero-shot", "a", "b", "c", "a + b", "a + c", "b + c", "a + b + c"]
    assert lines[0].arm.recipe is None
    assert lines[4].arm.recipe is not None
    assert lines[4].arm.recipe.datasets == ("a", "b")
    assert lines[-1].arm == entry_of("5.2").lines[0].arm  # trained once for both
    assert of_the_thesis("5.4", "a + c", "iou", ("a", "b", "c"))[ALL] == 0.830
    assert of_the_thesis("5.4", "a", "iou", ("a", "b")) == {}  # two datasets stand for none of three
    with pytest.raises(InvalidSettings, match="too many combinations"):
        lines_of(entry_of("5.4"), tuple("abcdef"))


def test_wrong_usage_is_one_line(tmp_path: Path) -> None:
    for arguments, told in (
        (["5.99", "--data", str(tmp_path)], "There is no table"),
        (["7.1", "--data", str(tmp_path)], "python -m bench.table71"),
        (["5.2", "--data", str(tmp_path / "none")], "There is no folder"),
    ):
        answer = CliRunner().invoke(app, ["table", *arguments, "--out", str(tmp_path / "out")])
        assert answer.exit_code == 2
        assert told in answer.output
        assert len(answer.output.strip().splitlines()) == 1
    with pytest.raises(InvalidSettings, match="PART=CHECKPOINT"):
        read_weights(["sam3=x"], small=False)


@pytest.fixture(scope="module")
def tissue(tiles: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Some objects on each side of the split: of the shared tiles where they are at hand, else of drawn ones."""
    folder, source = tmp_path_factory.mktemp("tissue"), tiles
    if SHARED_DATA.is_dir():
        source = tmp_path_factory.mktemp("some tiles")
        (source / "manifest.csv").symlink_to(SHARED_DATA / "manifest.csv")
        for name in TILES:
            for file in (f"{name}.png", f"{name}.mask.png"):
                (source / file).symlink_to(SHARED_DATA / "tiles" / file)
    export(TilesFolder(source), folder, Choice(edges=True, per_slide=1))
    some = open_dataset(folder)
    there = {(item.dataset, some.splits[item.slide]) for item in some.items}
    assert len(there) == 2 * 3, there
    return some


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all entries, so that each model learns once."""
    return tmp_path_factory.mktemp("tables")


def run(entry: Entry, tissue: Dataset, unseen: Dataset, out: Path) -> Path:
    """Run an entry as its command does, small and short; gives its page."""
    arguments = ["table", entry.number, "--data", str(tissue.folder), "--out", str(out), "--small", "--device", "cpu"]
    bounds = ["--epochs", "1", "--batch", "8", "--limit", "1", "--pictures", "1"]
    answer = CliRunner().invoke(app, [*arguments, *bounds, *(["--unseen", str(unseen.folder)] if entry.unseen else [])])
    assert answer.exit_code == 0, answer.output
    page = out / entry.number.replace(" ", "-") / "index.html"
    assert str(page) in answer.output.replace("\n", "")
    check_page(page, entry, unseen if entry.unseen else tissue)
    return page


def check_page(page: Path, entry: Entry, data: Dataset) -> None:
    html = page.read_text()
    assert data.sha256 in html or not (entry.lines or entry.panels or entry.every_combination)
    assert "No unseen data were given" not in html
    assert not re.findall(r"(?:src|href)=\"(?!data:)", html)
    assert "<script" not in html
    assert "mall stand-in" in html
    assert "Weights and data" in html
    assert "Vanmechelen" in html
    content = json.loads((page.parent / "results.json").read_text())
    assert {cell["line"] for cell in content["cells"]} >= {line.label for line in entry.lines}
    for cell in content["cells"]:
        assert cell["samples"] >= 0
        if cell["metric"] in {"dice", "iou", "precision", "recall"}:
            assert 0 <= cell["ours"][ALL] <= 1
    assert html.count("<figure>") == len(entry.panels)


def test_a_table_runs_and_is_not_run_again(tissue: Dataset, dataset: Dataset, out: Path) -> None:
    entry = entry_of("5.13")
    page = run(entry, tissue, dataset, out)
    html = page.read_text()
    assert "random weights" not in html
    for told in ("0.837", "0.275", "config embedded", "thesis: All", "after recirculation"):
        assert told in html
    runs = list((out / "runs").glob("*/run.json"))
    assert len(runs) == 1
    record = json.loads(runs[0].read_text())
    assert record["recipe"] == {
        **record["recipe"],
        "proposal": "best score",
        "combinations": "thesis",
        "loss_side": 1024,
    }
    written = runs[0].stat().st_mtime_ns
    ledgers = {file: file.read_text() for file in (out / "measured").iterdir()}
    assert len(ledgers) == 2
    first = next(iter(ledgers))
    first.write_text(ledgers[first][:-20])  # as a stop in the middle of a line leaves it
    before = json.loads((page.parent / "results.json").read_text())["cells"]
    run(entry, tissue, dataset, out)
    assert runs[0].stat().st_mtime_ns == written
    assert {file: file.read_text().count("\n") for file in ledgers} == {
        file: text.count("\n") for file, text in ledgers.items()
    }
    after = json.loads((page.parent / "results.json").read_text())["cells"]
    assert [cell["ours"] for cell in after if cell["metric"] == "iou"] == [
        cell["ours"] for cell in before if cell["metric"] == "iou"
    ]


def test_a_model_that_never_learned_masks_is_told(tissue: Dataset, out: Path) -> None:
    """F5: the embedded model ignores mask prompts until it is fine-tuned with them."""
    from training.tables.facts import Facts

    entry = entry_of("4.1")
    line = next(line for line in entry.lines if line.label.endswith("SAM2"))
    facts = Facts(entry, SMALL)
    facts.of_a_model(line.arm, School(tissue, out, SMALL, CPU).open(line.arm), [line])
    assert any("never trained with mask prompts" in warning for warning in facts.warnings)


def test_parts_of_a_dataset(dataset: Dataset) -> None:
    assert {item.dataset for item in dataset.only(("glands",)).items} == {"glands"}
    assert dataset.only(()).items == dataset.items
    with pytest.raises(BrokenDataset, match="it has glands, nuclei"):
        dataset.only(("lungs",))


@pytest.mark.long
@pytest.mark.parametrize("entry", [pytest.param(each, id=each.number) for each in RUN])
def test_every_entry_runs_end_to_end(entry: Entry, tissue: Dataset, dataset: Dataset, out: Path) -> None:
    run(entry, tissue, dataset, out)
