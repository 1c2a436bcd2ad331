"""What OME metadata says of an image; what it says wrongly counts as not said."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

from slides.facts import believed, power_of
from slides.slide import Colour

_MICRONS = {
    "µm": 1.0,
    "μm": 1.0,
    "um": 1.0,
    "nm": 1e-3,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "Å": 1e-4,
    "pm": 1e-6,
    "in": 25400.0,
}
_PRIMARIES: tuple[Colour, ...] = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
_NAMES = ({"r", "red"}, {"g", "green"}, {"b", "blue"})


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of a file's first image."""

    microns_per_pixel: float | None = None
    magnification: int | None = None
    colours: tuple[Colour | None, ...] = ()
    """Of each channel; None where none is given."""
    names: tuple[str, ...] = ()

    @property
    def is_rgb(self) -> bool:
        """Whether its three channels are the red, green and blue of one picture."""
        if len(self.names) != 3:
            return False
        named = all(name.strip().lower() in fit for name, fit in zip(self.names, _NAMES, strict=True))
        return named or (not any(self.names) and self.colours in {_PRIMARIES, (None, None, None)})


def read_ome(text: str | None) -> Told:
    """Read OME-XML as far as it can be understood."""
    try:
        root = ElementTree.fromstring(text or "")  # noqa: S314  expat bounds what entities may blow up
    except (ElementTree.ParseError, ValueError):
        return Told()
    pixels = next((each for each in root.iter() if _tag(each) == "Pixels"), None)
    if pixels is None:
        return Told()
    size, unit = pixels.get("PhysicalSizeX"), pixels.get("PhysicalSizeXUnit", "µm")
    try:
        microns = float(size or "") * _MICRONS.get(unit, float("nan"))
    except ValueError:
        microns = float("nan")
    channels = [each for each in pixels if _tag(each) == "Channel"]
    power = next((each.get("NominalMagnification") for each in root.iter() if _tag(each) == "Objective"), None)
    return Told(
        believed(microns),
        power_of(power),
        tuple(_colour(each.get("Color")) for each in channels),
        tuple(each.get("Name") or "" for each in channels),
    )


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _colour(text: str | None) -> Colour | None:
    """Read a signed 32-bit RGBA."""
    try:
        value = int(text or "") & 0xFFFFFFFF
    except ValueError:
        return None
    return (value >> 24 & 255, value >> 16 & 255, value >> 8 & 255)
