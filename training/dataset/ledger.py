"""The ledger: the items of a dataset while an export changes them; whatever stops it, the folder stays usable."""

from __future__ import annotations

from pathlib import Path

from training.dataset.bars import checked
from training.dataset.files import PART, write_whole
from training.dataset.folder import ITEMS, MASKS, WINDOWS, digest_of_files, lines_of, mask_file, window_file
from training.dataset.item import Item, line_of
from training.dataset.splits import assign, check_splits, read_splits, write_splits


class Ledger:
    """The items of a folder, by identity.

    Parameters
    ----------
    folder : Path
        The dataset; made where it does not exist. What is damaged is forgotten, so that it is made again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for part in (WINDOWS, MASKS):
            (folder / part).mkdir(parents=True, exist_ok=True)
            for unfinished in (folder / part).glob(f"*{PART}"):
                unfinished.unlink()
        read_splits(folder)  # damaged sides are told before anything is done
        self._replaced: list[str] = []
        self.items: dict[str, Item] = {}
        for item in self._intact():
            before = self.items.get(item.identity)
            if before is not None and before.id != item.id:
                self._replaced.append(before.id)
            self.items[item.identity] = item
        self._rewrite()
        self._by_files = {item.sha256: item.identity for item in self.items.values() if not item.key}

    def _intact(self) -> list[Item]:
        """List what was exported before and still is as it was."""
        if not (self._folder / ITEMS).exists():
            return []
        found = [item for item in lines_of(self._folder) if isinstance(item, Item)]
        return [item for item in checked(found) if digest_of_files(self._folder, item.id) == item.sha256]

    def put(self, item: Item, files: tuple[bytes, bytes], replaced: Item | None = None) -> bool:
        """Write the two files of an item, then its line.

        Parameters
        ----------
        files : (bytes, bytes)
            Window and mask.
        replaced : Item, optional
            What it stands for from now on.

        Returns
        -------
        bool
            Whether the dataset had these very files already, from before items had keys.
        """
        write_whole(window_file(self._folder, item.id), files[0])
        write_whole(mask_file(self._folder, item.id), files[1])
        old = self.items.pop(self._by_files.pop(item.sha256, ""), None)
        with (self._folder / ITEMS).open("a", encoding="utf-8") as lines:
            lines.write(line_of(item))
        for each in (replaced, old):
            if each is not None:
                self.items.pop(each.identity, None)
                self._replaced.append(each.id)
        self.items[item.identity] = item
        return old is not None

    def take_out(self, item: Item) -> None:
        """Forget an item; its files go when the ledger is closed."""
        self.items.pop(item.identity, None)
        self._replaced.append(item.id)

    def close(self, seed: int) -> dict[str, str]:
        """Give every slide a side, and let the folder hold these items and no others; gives the split.

        Raises
        ------
        Leakage
            A slide and its copy were on two sides before; everything is written.
        """
        self._rewrite()
        items = list(self.items.values())
        splits = assign(items, read_splits(self._folder), seed)
        write_splits(self._folder, splits)
        for item_id in set(self._replaced) - {item.id for item in items}:
            window_file(self._folder, item_id).unlink(missing_ok=True)
            mask_file(self._folder, item_id).unlink(missing_ok=True)
        check_splits(items, splits)
        return splits

    def _rewrite(self) -> None:
        write_whole(self._folder / ITEMS, "".join(line_of(item) for item in self.items.values()).encode())
