"""The files of the deployment fit each other, Cytomine's own network, and the service's settings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from app.settings import check_serving, read_settings

ROOT = Path(__file__).resolve().parents[2]
YAML = ["docker-compose.override.yml", *(f"docker/{path.name}" for path in sorted((ROOT / "docker").glob("*.y*ml")))]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


class Loader(yaml.SafeLoader):
    """Reads Compose's own tag as the empty value it stands for."""


Loader.add_constructor("!reset", lambda *_: None)


def read(name: str) -> dict[str, Any]:
    loaded = yaml.load((ROOT / name).read_text(), Loader)
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize("name", YAML)
def test_yaml_is_tidy(name: str) -> None:
    rules = "{extends: default, rules: {document-start: disable, line-length: {max: 120}, braces: disable}}"
    assert list(linter.run((ROOT / name).read_text(), YamlLintConfig(rules))) == []


def test_every_service_is_locked_in_and_bounded() -> None:
    services = read("docker-compose.override.yml")["services"]
    sam = read("docker/compose.2026.yml")["services"]["sam"]
    for service in (services["refine"], services["refine-gpu"], sam):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert not service.get("ports")
        assert service["deploy"]["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", ["docker-compose.override.yml", "nginx/refine.conf.sample"])
def test_no_address_is_written_down(name: str) -> None:
    assert not re.search(r"\b\d{1,3}(\.\d{1,3}){3}\b", (ROOT / name).read_text())


def test_a_refine_under_way_may_end_before_the_container_is_killed() -> None:
    settings = read_settings({})
    longest_s = settings.refine.deadline_s + settings.platform.read_timeout_s
    for service in ("refine", "refine-gpu"):
        grace = read("docker-compose.override.yml")["services"][service]["stop_grace_period"]
        assert float(grace.removesuffix("s")) > longest_s


@pytest.mark.parametrize(
    ("file", "service"),
    [
        ("docker-compose.override.yml", "refine"),
        ("docker-compose.override.yml", "refine-gpu"),
        ("docker/compose.2026.yml", "sam"),
    ],
)
def test_the_service_starts_with_its_environment(monkeypatch: pytest.MonkeyPatch, file: str, service: str) -> None:
    environment = {name: str(value) for name, value in read(file)["services"][service]["environment"].items()}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    check_serving(read_settings(environment))


def test_nginx_needs_no_name_that_its_image_does_not_set() -> None:
    lines = (ROOT / "nginx" / "refine.conf.sample").read_text().splitlines()
    needed = {name for line in lines if not line.strip().startswith("#") for name in re.findall(r"\$([A-Z_]+)\b", line)}
    assert needed == {"URLS_SCHEME", "RESOLVER"}


def stage(name: str) -> str:
    """Give a stage of the Dockerfile."""
    found = re.search(rf"^FROM \S+ AS {name}\n(.*?)(?=^FROM |\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def copied() -> set[str]:
    lines = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", DOCKERFILE, re.MULTILINE)
    return {source for line in lines for source in line.split()}


MADE = {"out/engines"}
"""What `make image-demo` makes before it builds."""


@pytest.mark.parametrize("name", ["service", "demo"])
def test_the_image_runs_as_nobody_and_has_no_build_tools(name: str) -> None:
    last = stage(name)
    assert re.findall(r"^USER (\S+)$", last, re.MULTILINE)[-1] == "10001"
    assert "HEALTHCHECK" in last
    assert 'CMD ["' in last
    assert "pip" not in last
    assert "ADD " not in DOCKERFILE
    assert all((ROOT / source).exists() for source in copied() - MADE)


def test_the_service_is_what_is_built_unless_somebody_asks_for_the_demo() -> None:
    assert DOCKERFILE.rpartition("\nFROM ")[2] == "service\n"


def test_the_base_is_an_argument_and_named_on_the_image() -> None:
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - {"build", "service"}
    assert bases == {"${BASE_IMAGE}"}
    assert 'org.opencontainers.image.base.name="${BASE_IMAGE}"' in stage("service")


def test_the_build_context_has_what_is_copied() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied() == allowed


def test_a_cpu_image_with_cuda_libraries_is_not_built(tmp_path: Path) -> None:
    (tmp_path / "venv" / "lib" / "python3.11" / "site-packages" / "nvidia").mkdir(parents=True)
    programs = tmp_path / "venv" / "bin"
    programs.mkdir()
    (programs / "python").symlink_to("/bin/true")
    (tmp_path / "python3").symlink_to("/bin/true")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "VENV": str(tmp_path / "venv")}
    for index, status in (("https://index.example/cpu", 1), ("", 0)):
        done = subprocess.run(
            ["sh", "docker/install.sh", "dependencies"],
            cwd=ROOT,
            env={**environment, "TORCH_INDEX_URL": index},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert ("CUDA libraries" in done.stderr) == bool(status)


@pytest.mark.parametrize(
    ("name", "stays"),
    [
        ("torch/lib/libtorch_cuda.so", True),
        ("torch/include/torch/extension.h", False),
        ("nvidia/cu13/include/cuda.h", False),
        ("nvidia/cu13/lib/libcusolver.so.12", True),
        ("nvidia/cu13/lib/libcusolverMg.so.12", False),
        ("nvidia/cu13/lib/libnvrtc.so.13", True),
        ("nvidia/cu13/lib/libnvrtc-builtins.so.13.0", True),
        ("nvidia/cu13/lib/libnvrtc.alt.so.13", False),
        ("nvidia/cu13/lib/libcudadevrt.a", False),
        ("nvidia/nvshmem/lib/libnvshmem_host.so.3", True),
        ("triton/_C/libtriton.so", True),
        ("triton/backends/nvidia/bin/ptxas", True),
        ("triton/backends/nvidia/lib/cupti/libcupti.so", False),
        ("openvino/libs/libopenvino_intel_cpu_plugin.so", True),
        ("openvino/libs/libopenvino_intel_gpu_plugin.so", False),
    ],
)
def test_the_image_leaves_out_what_nothing_loads(tmp_path: Path, name: str, stays: bool) -> None:
    file = tmp_path / "lib" / "python3.11" / "site-packages" / name
    file.parent.mkdir(parents=True)
    file.touch()
    subprocess.run(["sh", "docker/install.sh", "trim"], cwd=ROOT, env={**os.environ, "VENV": str(tmp_path)}, check=True)
    assert file.exists() == stays


def lint(tool: str, *files: Path) -> None:
    found = Path(sys.executable).with_name(tool)
    if not found.exists():
        pytest.skip(f"no {tool} for this machine")
    done = subprocess.run([found, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_pleases_its_linter() -> None:
    lint("hadolint", ROOT / "Dockerfile")


def test_the_shell_scripts_please_their_linter() -> None:
    lint(
        "shellcheck",
        ROOT / ".ci" / "run",
        *(ROOT / "docker").glob("*.sh"),
        *(ROOT / "scripts").glob("*.sh"),
        *(ROOT / "tests").rglob("*.sh"),
    )
