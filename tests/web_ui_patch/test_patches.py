"""The button's two patches: into trees like their hosts', back out, and with a translation for every word they say."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest

from scripts.patch import main

PATCHES = Path(__file__).resolve().parents[2] / "web-ui-patch"
COMPONENT = PATCHES / "common" / "refine"
PANEL = "src/components/annotations/AnnotationDetails.vue"
TOOLS = "src/components/viewer/DrawTools.vue"
WORDS = "src/locales/translations.csv"
KEYS = "src/utils/shortcuts.js"
VIEWER = "src/components/viewer/CytomineViewer.vue"
VERSIONS = {"ce-2025.1": "3.1.1", "2026": "3.4.0"}
IMAGE_NAME = {"ce-2025.1": "@/components/image/ImageName", "2026": "@/components/image/ImageName.vue"}
LINK_SELECTOR = "@/components/viewer/interactions/AnnotationLinkSelector"
TAKEN = set("solrcpfmtjkiq+-")
"""Keys that do something in both viewers when pressed alone, besides those with a name."""
ACTION = {"ce-2025.1": "{annot, type, command}", "2026": "{ annot, type, command }"}

generations = pytest.mark.parametrize("generation", list(VERSIONS))


def host(folder: Path, generation: str, ends: str = "\n") -> Path:
    """Write a tree that has the anchors, and nothing else of the host."""
    files = {
        "package.json": ["{", f'  "version": "{VERSIONS[generation]}",', "}"],
        PANEL: [
            "<template>",
            '  <div class="actions">',
            "  </div>",
            "</template>",
            "<script>",
            f"import ImageName from '{IMAGE_NAME[generation]}';",
            "export default {",
            "  components: {",
            "    AnnotationLinksPreview,",
            "  },",
            "};",
            "</script>",
        ],
        TOOLS: [
            "<script>",
            f"import AnnotationLinkSelector from '{LINK_SELECTOR}{'' if generation == 'ce-2025.1' else '.vue'}';",
            "export default {",
            "  methods: {",
            f"    async reverseAction({ACTION[generation]}, undo) {{",
            "      let newType = type;",
            "    }",
            "  }",
            "};",
            "</script>",
        ],
        KEYS: [
            "export default Object.freeze({",
            "  'viewer-tool-delete': ['del'],",
            "});",
            *(
                ["export const ALLOWED_VIEWER_SHORTKEYS = Object.freeze([", "  'tool-redo',", "]);"]
                if generation == "2026"
                else []
            ),
        ],
        VIEWER: ["      let allowed = ['tool-select',", "        'tool-delete', 'tool-undo', 'tool-redo',", "      ];"],
        WORDS: ["key,en,fr,es,nl", "button-refresh,Refresh,Rafraîchir,Actualizar,Refresh", "yes,Yes,Oui,Sí,Ja"],
    }
    for name, lines in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(line + ends for line in lines).encode())
    return folder


def content(tree: Path) -> dict[str, bytes]:
    return {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def patch(generation: str, tree: Path, *options: str) -> int:
    return main([str(PATCHES / generation), str(tree), *options])


def rows(generation: str) -> list[list[str]]:
    manifest = tomllib.loads((PATCHES / generation / "patch.toml").read_text())
    (text,) = (insert["text"] for insert in manifest["insert"] if insert["file"] == WORDS)
    return list(csv.reader(text.splitlines()))


@generations
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_in_and_out_leaves_every_byte(tmp_path: Path, generation: str, ends: str) -> None:
    tree = host(tmp_path, generation, ends)
    before = content(tree)
    assert patch(generation, tree, "--check") == 1
    assert patch(generation, tree) == 0
    applied = content(tree)
    panel = applied[PANEL].decode()
    assert '<refine-with-sam :annotation="annotation" :can-edit="canEdit" @reload=' in panel
    assert panel.index("import RefineWithSam") < panel.index("components: {") < panel.index("    RefineWithSam,")
    tools = applied[TOOLS].decode()
    assert (
        tools.index("refine/reverse-refinement")
        < tools.index("async reverseAction")
        < tools.index("return reverseRefinement(this, {")
    )
    assert "src/components/annotations/refine/refine-host.js" in applied
    assert patch(generation, tree, "--check") == 0
    assert patch(generation, tree) == 0
    assert content(tree) == applied
    assert patch(generation, tree, "--undo") == 0
    assert content(tree) == before


@generations
@pytest.mark.parametrize("name", [PANEL, TOOLS, KEYS, WORDS])
def test_a_missing_anchor_is_named_and_nothing_is_changed(
    tmp_path: Path, generation: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = host(tmp_path, generation)
    (tree / name).write_text("moved elsewhere\n")
    before = content(tree)
    assert patch(generation, tree) == 2
    assert f"{name}: the anchor " in capsys.readouterr().err
    assert content(tree) == before


def test_the_other_generation_is_refused(tmp_path: Path) -> None:
    for generation, other in [("ce-2025.1", "2026"), ("2026", "ce-2025.1")]:
        tree = host(tmp_path / generation, generation)
        before = content(tree)
        assert patch(other, tree) == 2
        assert content(tree) == before


def test_a_panel_with_the_prototypes_button_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = host(tmp_path, "ce-2025.1")
    with (tree / PANEL).open("a") as panel:
        panel.write(".refine-sam-button {}\n")
    before = content(tree)
    assert patch("ce-2025.1", tree) == 2
    assert "sendSamRequest" in capsys.readouterr().err
    assert content(tree) == before


@generations
def test_the_translations_read_as_the_host_reads_them(tmp_path: Path, generation: str) -> None:
    tree = host(tmp_path, generation)
    assert patch(generation, tree) == 0
    with (tree / WORDS).open(encoding="utf-8", newline="") as file:
        read = list(csv.reader(file))
    keys = [row[0] for row in read]
    assert len(set(keys)) == len(keys)
    assert all(len(row) == 5 and all(row) for row in read)


@generations
def test_every_word_of_the_component_is_translated_and_none_is_left_over(generation: str) -> None:
    source = "".join(path.read_text() for path in COMPONENT.iterdir())
    statuses = re.search(r"STATUSES = \[([\d, ]+)\]", source)
    assert statuses is not None
    said = set(re.findall(r"'((?:notif-|button-)?refine-sam(?:-[a-z-]+)?)'", source))
    said |= {f"{name}-help" for name in ("refine-sam-object", "refine-sam-background")}
    said |= {f"shortcut-viewer-{name}" for name in shortcuts(generation)}
    said |= {
        f"notif-refine-sam-{status}" for status in [*statuses[1].split(", "), "error", "not-public", "preview-unfit"]
    }
    own = re.search(r"OWN = \[([\d, ]+)\]", source)
    assert own is not None
    said |= {f"notif-refine-sam-similar-{end}" for end in [*own[1].split(", "), "limit", "deadline"]}
    assert said == {row[0] for row in rows(generation)}


def shortcuts(generation: str) -> dict[str, str]:
    manifest = tomllib.loads((PATCHES / generation / "patch.toml").read_text())
    text = "".join(insert["text"] for insert in manifest["insert"] if insert["file"] == KEYS)
    return dict(re.findall(r"'viewer-([a-z-]+)': \['(.+)'\]", text))


@generations
def test_the_shortcuts_are_let_through_and_take_nobodys_key(generation: str) -> None:
    manifest = tomllib.loads((PATCHES / generation / "patch.toml").read_text())
    allowed = "".join(insert["text"] for insert in manifest["insert"] if insert["file"] in {KEYS, VIEWER})
    ours = shortcuts(generation)
    assert set(ours) == {"tool-refine-sam", "tool-refine-sam-correct"}
    assert all(f" '{name}'," in allowed for name in ours)
    keys = [*ours.values(), *re.findall(r"'([a-z])': \(\) =>", (COMPONENT / "correction.js").read_text())]
    assert len(keys) == 5
    assert len(set(keys)) == len(keys)
    assert not set(keys) & TAKEN


def test_both_generations_say_the_same() -> None:
    assert rows("ce-2025.1") == rows("2026")
