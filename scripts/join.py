"""Fit the refine service to the Compose files of a Cytomine that is there already.

Reads what ``docker compose config --format json`` says of them, and writes two files into the deployment folder:
``refine.yml``, the service on the network where Core and nginx meet, and ``configs/nginx/etc/nginx/refine-core.conf``,
Core's address there: the only one that nginx lets through. Run it again after those Compose files change.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE = Path(__file__).resolve().parents[1] / "docker-compose.override.yml"
OVERRIDE = Path("refine.yml")
ALLOW_LIST = Path("configs/nginx/etc/nginx/refine-core.conf")
_NETWORK_IN_BASE = "cytomine-network"


class CannotJoin(Exception):
    """The Compose files do not say where Core is; nothing was written."""


@dataclass(frozen=True)
class Door:
    """A network where Core meets nginx."""

    network: str
    address: str
    """Core's, as nginx sees it."""
    is_given: bool
    """Whether it has the address from us, because it had no fixed one."""


def doors_of(compose: Mapping[str, Any], core: str, nginx: str) -> list[Door]:
    """Find every network where Core meets nginx, and its address there.

    Parameters
    ----------
    compose : mapping
        What ``docker compose config --format json`` gives.
    core, nginx : str
        The names of the two services.

    Raises
    ------
    CannotJoin
        Our own file is among them, a service is missing, the two share no network, or Core can have no fixed address.
    """
    if "x-refine" in compose:
        raise CannotJoin(f"These Compose files have {OVERRIDE} among them: leave it out, and give Cytomine's own only.")
    theirs, proxys = _networks(compose, core), _networks(compose, nginx)
    shared = [name for name in theirs if name in proxys]
    if not shared:
        raise CannotJoin(f"{core} and {nginx} share no network.")
    return [_door(compose, name, theirs[name] or {}) for name in shared]


def _networks(compose: Mapping[str, Any], service: str) -> dict[str, Any]:
    services = compose.get("services", {})
    if service not in services:
        raise CannotJoin(f"There is no service {service}; there are {', '.join(sorted(services)) or 'none'}.")
    return services[service].get("networks") or {}


def _door(compose: Mapping[str, Any], network: str, core: Mapping[str, Any]) -> Door:
    fixed = core.get("ipv4_address")
    return Door(network, fixed or _free_address(compose, network), is_given=not fixed)


def _free_address(compose: Mapping[str, Any], network: str) -> str:
    """Give the highest address that nobody has: Docker gives its own from the lowest on."""
    configs = ((compose.get("networks", {}).get(network) or {}).get("ipam") or {}).get("config") or []
    subnets = [ipaddress.ip_network(config["subnet"]) for config in configs if "subnet" in config]
    subnet = next((subnet for subnet in subnets if subnet.version == 4), None)
    if subnet is None:
        raise CannotJoin(
            f"The network {network} has no subnet in the Compose files, so Core can have no fixed address there."
            " Give it one (ipam: config: - subnet: ...), or give Core an ipv4_address."
        )
    attached = [(service.get("networks") or {}).get(network) or {} for service in compose["services"].values()]
    taken = {own.get("ipv4_address") for own in attached} | {config.get("gateway") for config in configs}
    highest = int(subnet.broadcast_address) - 1
    addresses = (str(ipaddress.IPv4Address(number)) for number in range(highest, int(subnet.network_address) + 1, -1))
    free = next((address for address in addresses if address not in taken), None)
    if free is None:
        raise CannotJoin(f"Every address of {subnet} is taken.")
    return free


def override(doors: Sequence[Door], core: str) -> str:
    """Write the Compose file that adds the service to the first of the networks."""
    text = BASE.read_text().replace(_NETWORK_IN_BASE, doors[0].network)
    given = [door for door in doors if door.is_given]
    if not given:
        return text
    lines = [
        "",
        f"  # nginx knows {core} by its address alone, so it has to have a fixed one.",
        f"  {core}:",
        "    networks:",
    ]
    for door in given:
        lines += [f"      {door.network}:", f"        ipv4_address: {door.address}"]
    return text + "\n".join(lines) + "\n"


def allow_list(addresses: Iterable[str]) -> str:
    """Write the part of nginx' configuration that names who may pass."""
    addresses = list(addresses)
    allowed = "".join(f"allow {address};\n" for address in addresses)
    return f'# Core, by scripts/join.py: it alone may pass.\n{allowed}set $refine_core "{" ".join(addresses)}";\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0: written or up to date, 1: out of date, 2: not possible."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "compose", help="Output of docker compose config --format json: a file, or - for the standard input."
    )
    parser.add_argument("folder", type=Path, help="The deployment folder, which has docker-compose.yml.")
    parser.add_argument("--core", default="core", help="Name of Core's service (default: %(default)s).")
    parser.add_argument("--nginx", default="nginx", help="Name of nginx' service (default: %(default)s).")
    parser.add_argument("--check", action="store_true", help="Only say whether both files are up to date.")
    asked = parser.parse_args(arguments)
    try:
        doors = doors_of(_read(asked.compose), asked.core, asked.nginx)
    except CannotJoin as refusal:
        print(f"Cannot join: {refusal}", file=sys.stderr)
        return 2
    files = {OVERRIDE: override(doors, asked.core), ALLOW_LIST: allow_list(door.address for door in doors)}
    for door in doors:
        print(f"{asked.core} is {door.address} on {door.network}{' from now on' if door.is_given else ''}.")
    return _report(asked.folder, files) if asked.check else _write(asked.folder, files)


def _read(name: str) -> Mapping[str, Any]:
    try:
        compose = json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
    except OSError as error:
        raise CannotJoin(f"{name} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise CannotJoin(f"{name} is not what docker compose config --format json gives: {error}") from error
    if not isinstance(compose, dict):
        raise CannotJoin(f"{name} is not what docker compose config --format json gives.")
    return compose


def _report(folder: Path, files: Mapping[Path, str]) -> int:
    fit = {file: (folder / file).is_file() and (folder / file).read_text() == text for file, text in files.items()}
    for file, fits in fit.items():
        print(f"{'up to date ' if fits else 'out of date'}  {folder / file}")
    return 0 if all(fit.values()) else 1


def _write(folder: Path, files: Mapping[Path, str]) -> int:
    for file, text in files.items():
        try:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        except OSError as error:
            print(f"Cannot join: {folder / file} cannot be written ({error.strerror}).", file=sys.stderr)
            return 2
        print(f"Written: {folder / file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
