"""Helm itself takes the chart, and Kubernetes would take the pods."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.scale.test_files import KUBERAY, SCALE

HELM = Path(__file__).parent / "helm"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the validator's own libraries


def helm(chart: Path, lib: Path) -> subprocess.CompletedProcess[str]:
    command = ["java", "-cp", f"{lib}/*", str(HELM / "Render.java"), str(chart)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (shutil.which("java") and shutil.which("mvn")):
        pytest.skip("no JDK and Maven, which bring Helm")
    folder = tmp_path_factory.mktemp("helm") / "lib"
    fetch = ["mvn", "-B", "-ntp", "-q", "-f", str(HELM / "pom.xml"), "dependency:copy-dependencies"]
    done = subprocess.run([*fetch, f"-DoutputDirectory={folder}"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("Maven cannot fetch Helm here")
    return folder


def test_helm_makes_of_the_chart_what_the_other_tests_look_at(lib: Path) -> None:
    done = helm(SCALE / "helm", lib)
    assert done.returncode == 0, done.stderr
    assert [read(each) for each in yaml.safe_load_all(done.stdout)] == [read(KUBERAY["helm"])]


def read(service: dict[str, Any]) -> dict[str, Any]:
    """Read what is text in it, too: Helm writes JSON without blanks."""
    spec = service["spec"]
    return {**service, "spec": {**spec, "serveConfigV2": yaml.safe_load(spec["serveConfigV2"])}}


def test_helm_refuses_a_template_that_it_cannot_read(lib: Path, tmp_path: Path) -> None:
    chart = tmp_path / "refine-scale"
    shutil.copytree(SCALE / "helm", chart)
    with (chart / "templates/service.yaml").open("a") as template:
        template.write("{{ .Values.port | nothing }}\n")
    done = helm(chart, lib)
    assert done.returncode == 1
    assert 'function "nothing" not defined' in done.stderr


def pods(service: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = service["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **group["template"]} for group in groups]


@pytest.mark.parametrize("name", KUBERAY)
def test_kubernetes_would_take_the_pods(name: str) -> None:
    for pod in pods(KUBERAY[name]):
        kubernetes_validate.validate(pod, "1.30", strict=True)


def test_kubernetes_would_not_take_a_misspelt_key() -> None:
    (head, *_) = pods(KUBERAY["helm"])
    wrong = {**head, "spec": {**head["spec"], "restartPolice": "Always"}}
    with pytest.raises(kubernetes_validate.ValidationError, match="restartPolice"):
        kubernetes_validate.validate(wrong, "1.30", strict=True)
