"""The command that fits the service to a Cytomine finds Core wherever its network is, or says why it cannot."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "join.py"
ALLOW_LIST = "configs/nginx/etc/nginx/refine-core.conf"


def compose(
    subnet: str | None = "172.18.0.0/16", core: str | None = "172.18.0.6", net: str = "cytomine-network"
) -> Any:
    """What Compose says of a Cytomine, shortened."""
    ipam = {"config": [{"subnet": subnet}]} if subnet else {}
    prefix = subnet.rpartition(".0/")[0] if subnet else ""
    return {
        "name": "cytomine-ce",
        "services": {
            "core": {"networks": {net: {"ipv4_address": core} if core else None}},
            "nginx": {"networks": {net: {"ipv4_address": f"{prefix}.8"} if core else None}},
            "registry": {"networks": {net: {"ipv4_address": f"{prefix}.254"} if subnet else None}},
        },
        "networks": {net: {"name": f"cytomine-ce_{net}", "ipam": ipam}},
    }


def join(folder: Path, said: Any, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it as an operator does: any Python, nothing installed."""
    return subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT, "-", folder, *options],
        input=said if isinstance(said, str) else json.dumps(said),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def written(folder: Path) -> Any:
    return yaml.safe_load((folder / "refine.yml").read_text())


@pytest.mark.parametrize(
    ("subnet", "core"),
    [("172.18.0.0/16", "172.18.0.6"), ("172.20.0.0/16", "172.20.0.6"), ("10.99.3.0/24", "10.99.3.77")],
)
def test_cores_own_address_passes_on_any_network(tmp_path: Path, subnet: str, core: str) -> None:
    assert join(tmp_path, compose(subnet, core)).returncode == 0
    assert f"allow {core};" in (tmp_path / ALLOW_LIST).read_text()
    services = written(tmp_path)["services"]
    assert set(services) == {"refine", "refine-gpu"}
    assert services["refine"]["networks"] == {"cytomine-network": {"aliases": ["refine"]}}


def test_a_core_without_a_fixed_address_is_given_one_that_nobody_has(tmp_path: Path) -> None:
    assert join(tmp_path, compose("10.99.3.0/24", None)).returncode == 0
    given = written(tmp_path)["services"]["core"]["networks"]["cytomine-network"]["ipv4_address"]
    assert ipaddress.ip_address(given) in ipaddress.ip_network("10.99.3.0/24")
    assert given not in {"10.99.3.254", "10.99.3.255"}
    assert f"allow {given};" in (tmp_path / ALLOW_LIST).read_text()


def test_a_network_of_any_name(tmp_path: Path) -> None:
    assert join(tmp_path, compose(net="lab")).returncode == 0
    services = written(tmp_path)["services"]
    assert list(services["refine"]["networks"]) == list(services["refine-gpu"]["networks"]) == ["lab"]


def test_core_passes_on_each_network_where_it_meets_nginx_and_on_no_other(tmp_path: Path) -> None:
    said = compose()
    for service, networks in (("core", ("back", "data")), ("nginx", ("back", "front"))):
        said["services"][service]["networks"] |= {name: {"ipv4_address": f"10.{len(name)}.0.6"} for name in networks}
    said["services"]["core"]["networks"]["data"] = {"ipv4_address": "10.7.0.6"}
    assert join(tmp_path, said).returncode == 0
    text = (tmp_path / ALLOW_LIST).read_text()
    assert text.count("allow ") == 2
    assert "allow 172.18.0.6;" in text
    assert "allow 10.4.0.6;" in text


def test_services_of_other_names(tmp_path: Path) -> None:
    said = compose()
    said["services"] = {"kern": said["services"]["core"], "tor": said["services"]["nginx"]}
    assert join(tmp_path, said).returncode == 2
    assert join(tmp_path, said, "--core", "kern", "--nginx", "tor").returncode == 0


def test_check_tells_whether_the_files_still_fit(tmp_path: Path) -> None:
    assert join(tmp_path, compose(), "--check").returncode == 1
    assert not list(tmp_path.iterdir())
    join(tmp_path, compose())
    assert join(tmp_path, compose(), "--check").returncode == 0
    moved = join(tmp_path, compose("172.20.0.0/16", "172.20.0.6"), "--check")
    assert moved.returncode == 1
    assert f"out of date  {tmp_path / ALLOW_LIST}" in moved.stdout


def apart() -> Any:
    said = compose()
    said["services"]["core"]["networks"] = {"elsewhere": None}
    return said


@pytest.mark.parametrize(
    ("said", "because"),
    [
        ({"services": {"web": {}}}, "There is no service core; there are web."),
        (apart(), "core and nginx share no network."),
        (compose(None, None), "has no subnet"),
        ({**compose(), "x-refine": {}}, "leave it out"),
        ("services:\n  core:\n", "is not what docker compose config --format json gives"),
        ("[]", "is not what docker compose config --format json gives"),
    ],
)
def test_what_cannot_be_joined_is_said_and_nothing_is_written(tmp_path: Path, said: Any, because: str) -> None:
    done = join(tmp_path, said)
    assert done.returncode == 2
    assert because in done.stderr
    assert not list(tmp_path.iterdir())
