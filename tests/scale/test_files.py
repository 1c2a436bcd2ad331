"""The files for Ray clusters fit the code, the service's settings and each other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from ray.serve.schema import ServeDeploySchema
from yamllint import linter
from yamllint.config import YamlLintConfig

from app.settings import Settings
from scale.application import assemble
from scale.options import Options, Weights

SCALE = Path(__file__).resolve().parents[2] / "scale"
VALUES = yaml.safe_load((SCALE / "helm/values.yaml").read_text())
TEMPLATE = (SCALE / "helm/templates/service.yaml").read_text()


def value(path: str) -> Any:
    found: Any = VALUES
    for name in path.split("."):
        found = found[name]
    return found


def rendered() -> dict[str, Any]:
    """Fill the chart's template with its values; it uses no more of Helm than this."""

    def fill(match: re.Match[str]) -> str:
        function, name, filter_ = match.groups()
        found = "refine" if name == "Release.Name" else value(name.removeprefix("Values."))
        return json.dumps(str(found) if filter_ else found) if function or filter_ else str(found)

    filled = re.sub(r"\{\{ (toJson )?\.([\w.]+)( \| quote)? \}\}", fill, TEMPLATE)
    assert "{{ " not in filled
    return yaml.safe_load(filled)


KUBERAY = {"kuberay.yaml": yaml.safe_load((SCALE / "kuberay.yaml").read_text()), "helm": rendered()}
CONFIGS = {
    "serve.yaml": yaml.safe_load((SCALE / "serve.yaml").read_text()),
    **{name: yaml.safe_load(service["spec"]["serveConfigV2"]) for name, service in KUBERAY.items()},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_serve_would_take_it(name: str) -> None:
    config = ServeDeploySchema.model_validate(CONFIGS[name])
    (application,) = config.applications
    module, _, function = application.import_path.partition(":")
    assert callable(getattr(import_module(module), function))
    Options.model_validate(application.args)
    for deployment in application.deployments:
        assert deployment.name in {"model", "ingress"}
        Weights.model_validate(deployment.user_config)


def test_the_weights_in_the_comment_are_weights() -> None:
    commented = re.findall(r"^ +# +(\w+): ", (SCALE / "serve.yaml").read_text(), re.MULTILINE)
    assert set(commented) == set(Weights.model_fields)


@pytest.mark.parametrize("name", KUBERAY)
def test_pods_have_time_to_finish_and_the_ray_that_was_tested(name: str) -> None:
    cluster = KUBERAY[name]["spec"]["rayClusterConfig"]
    assert cluster["rayVersion"] == version("ray")
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] > Settings().refine.deadline_s
        (container,) = pod["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "refine-settings"}}]
        assert {"name": "RAY_worker_niceness", "value": "0"} in container["env"]
        assert container["resources"]["limits"]["memory"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/dev/shm"}


@pytest.mark.parametrize("name", KUBERAY)
def test_a_replica_fits_on_a_worker(name: str) -> None:
    (worker,) = KUBERAY[name]["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    limits = worker["template"]["spec"]["containers"][0]["resources"]["limits"]
    options = Options.model_validate(CONFIGS[name]["applications"][0]["args"])
    assert options.cpus <= float(limits["cpu"])
    assert options.gpus <= float(limits["nvidia.com/gpu"])


@pytest.mark.parametrize("name", ["serve.yaml", "kuberay.yaml", "helm/values.yaml", "helm/Chart.yaml"])
def test_yaml_is_tidy(name: str) -> None:
    rules = "{extends: default, rules: {document-start: disable, line-length: {max: 120}, braces: disable}}"
    assert list(linter.run((SCALE / name).read_text(), YamlLintConfig(rules))) == []


def test_autoscaling_follows_the_lines() -> None:
    assert Options(replicas=3).scaling == {"num_replicas": 3}
    scaling = Options(replicas=1, max_replicas=4, target_waiting=2).scaling["autoscaling_config"]
    assert (scaling["min_replicas"], scaling["max_replicas"], scaling["target_ongoing_requests"]) == (1, 4, 2)


@pytest.mark.parametrize("wrong", [{"replicas": 3, "max_replicas": 2}, {"factory": "nothing"}, {"replica": 2}])
def test_wrong_options_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(wrong)


def test_without_weights_nothing_is_started(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("REFINE_")}
    done = subprocess.run(
        [sys.executable, "-m", "scale", "serve"],
        env={**ours, "REFINE_WEIGHTS__FOLDER": str(tmp_path)},
        cwd=SCALE.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "REFINE_SEGMENTER__DEMO_MODEL=true" in line


def test_a_replica_drains_longer_than_a_request_may_take() -> None:
    settings = Settings()
    application = assemble(Options(), settings)
    ingress = application._bound_deployment
    (model, *_) = ingress.init_args
    for deployment in (ingress, model._bound_deployment if hasattr(model, "_bound_deployment") else model):
        assert deployment._deployment_config.graceful_shutdown_timeout_s > settings.refine.deadline_s
