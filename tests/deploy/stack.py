"""A small Cytomine in containers, and what an operator does to join the service to it, by the guide."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import shapely
import yaml

from demo.cytomine.identity import Identity
from demo.cytomine.store import Mask, Store, User
from tests.deploy.cytomine.standin import JWT_SECRET
from tests.lab import BOX, DISC, DISC_X, DISC_Y, HEIGHT, WIDTH, draw_image, free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).with_name("cytomine")
SERVICE = "localhost/refine-deploy:service"
LONG_S = 240.0
"""How long a condition may take on a busy machine."""
LOOK_UP = 'for name; do getent hosts "$name" | { read -r address rest && echo "$name $address"; }; done'
"""Print each name that is known, and its address."""


def run(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LONG_S, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


@dataclass(frozen=True)
class Drawn:
    """An annotation on the disc, and its prompt points."""

    id: int
    points: tuple[int, ...]


class Stack:
    """A deployment folder, and the containers that come of it."""

    def __init__(self, folder: Path, net: str) -> None:
        self.folder, self.net = folder, net
        self.name = f"refine-deploy-{net.replace('.', '-')}"
        self.port = free_port()
        self.environment = {
            "NET": net,
            "PORT": str(self.port),
            "IMAGES_REFINE": SERVICE,
            "REFINE_CPUS": "2",
            "REFINE_MEMORY": "3g",
        }
        shutil.copy(HERE / "docker-compose.yml", folder)
        for_tests = {
            "REFINE_SEGMENTER__DEMO_MODEL": "true",
            "REFINE_REFINE__EMBEDDING_CACHE_BYTES": "0",
        }  # reads each window
        lab = {"services": {"refine": {"environment": for_tests}}}
        (folder / "lab.yml").write_text(yaml.safe_dump(lab))
        self.store = Store(folder / "data" / "cytomine.sqlite")
        (folder / "data" / "slides").mkdir()
        draw_image(folder / "data" / "slides" / "discs.png")
        self.project = self.store.add_project("containers")
        self.alice = self.store.add_user("alice")
        self.store.add_member(self.project, self.alice.id, Mask.WRITE)
        self.image = self.store.add_image(self.project, self.alice.id, "discs.png", WIDTH, HEIGHT)
        self.deploy()

    def __enter__(self) -> Self:
        self._remove()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            print(self.logs())
        self._remove()

    def _remove(self) -> None:
        for listed, removed in (
            ("ps -aq", "rm -f --depend -t 0"),
            ("volume ls -q", "volume rm -f"),
            ("network ls -q", "network rm -f"),
        ):
            filters = ["--filter", f"label=io.podman.compose.project={self.name}"]
            if found := run("podman", *listed.split(), *filters).stdout.split():
                run("podman", *removed.split(), *found)

    # What the guide has the operator do.

    def deploy(self) -> None:
        """Do what Cytomine's installer does: list the files of configs/ in an override, and keep the environment."""
        (self.folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in self.environment.items()))
        configs = self.folder / "configs" / "nginx"
        files = sorted(file.relative_to(configs) for file in configs.rglob("*") if file.is_file())
        override = (
            {"nginx": {"volumes": [f"./configs/nginx/{file}:/cm_configs/{file}" for file in files]}} if files else {}
        )
        (self.folder / "docker-compose.override.yml").write_text(yaml.safe_dump({"services": override}))

    def compose(self, *words: str, ours: bool = True, theirs: str = "") -> str:
        """Run Compose with Cytomine's own files, with ours, and with one more of the operator's."""
        files = [
            "docker-compose.yml",
            "docker-compose.override.yml",
            *(["refine.yml", "lab.yml"] if ours else []),
            *([theirs] if theirs else []),
        ]
        given = [word for file in files for word in ("-f", file)]
        profile = ["--profile", "cpu"] if ours else []
        command = [
            sys.executable,
            "-m",
            "podman_compose",
            "--podman-path",
            str(HERE.with_name("podman.sh")),
            "-p",
            self.name,
            *given,
            "--env-file",
            ".env",
            *profile,
            *words,
        ]
        return run(*command, cwd=self.folder, env={**os.environ, **self.environment}).stdout

    def up_theirs(self) -> None:
        """Start Cytomine as it is without us."""
        self.compose("up", "-d", ours=False)
        self.wait_for_cytomine()

    def join(self) -> None:
        """Fit our file to their Compose files."""
        said = yaml.safe_load(self.compose("config", ours=False))
        run(sys.executable, ROOT / "scripts" / "join.py", "-", self.folder, input=json.dumps(said))

    def patch_nginx(self) -> None:
        """Patch the template that the running proxy has."""
        target = self.folder / "configs" / "nginx" / "etc" / "nginx"
        target.mkdir(parents=True, exist_ok=True)
        run("podman", "cp", f"{self.container('nginx')}:/cm_configs_default/etc/nginx/nginx.conf.sample", target)
        run(sys.executable, ROOT / "scripts" / "patch.py", ROOT / "nginx", target)
        self.deploy()

    def up_refine(self) -> None:
        """Start the service alone, its model converted on the volume."""
        volume = f"{self.name}_refine-weights"
        run("podman", "volume", "create", "--label", f"io.podman.compose.project={self.name}", volume)
        place = Path(run("podman", "volume", "inspect", "-f", "{{.Mountpoint}}", volume).stdout.strip())
        shutil.copytree(os.environ["REFINE_DEPLOY_ENGINES"], place / "engines")
        run("chown", "-R", "10001", place)
        self.compose("up", "-d", "--no-deps", "refine")
        self.wait_for_service()

    def up_nginx(self, *, ours: bool = True) -> None:
        """Let the proxy run with what the deployment folder has now."""
        run("podman", "rm", "-f", "-t", "0", self.container("nginx"))
        self.compose("up", "-d", "--no-deps", "nginx", ours=ours)
        self.wait_for_cytomine()

    def up_all(self) -> None:
        """Start the service and the patched proxy."""
        self.up_refine()
        self.up_nginx()

    # What is looked at.

    def container(self, service: str) -> str:
        """Give the name of a service's container."""
        filters = [f"label=io.podman.compose.project={self.name}", f"label=com.docker.compose.service={service}"]
        found = run(
            "podman", "ps", "-a", *(word for each in filters for word in ("--filter", each)), "--format", "{{.Names}}"
        )
        return found.stdout.split()[0]

    def inspect(self, service: str) -> Any:
        """Give what podman knows of a service's container."""
        return json.loads(run("podman", "inspect", self.container(service)).stdout)[0]

    def inside(self, service: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container."""
        given = [word for name, value in environment.items() for word in ("-e", f"{name}={value}")]
        command = ["podman", "exec", *given, self.container(service), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG_S)

    def public(self, path: str = "/", method: str = "GET", **sent: Any) -> httpx.Response:
        """Ask the published port."""
        return httpx.request(method, f"http://127.0.0.1:{self.port}{path}", timeout=LONG_S, trust_env=False, **sent)

    def is_up(self) -> bool:
        """Whether people see Cytomine's web UI, and Core behind it."""
        try:
            return self.public().text == "the web UI" and self.public("/server/ping").status_code == 200
        except httpx.TransportError:
            return False

    def wait_for_cytomine(self) -> None:
        """Wait until people see it."""
        until(self.is_up, "Cytomine is up")
        self.wait_for_names()

    def wait_for_service(self) -> None:
        """Wait until the service can refine."""
        until(self.is_ready, "the service is ready")
        self.wait_for_names()

    def wait_for_names(self) -> None:
        """Wait until containers find each other: podman's name server pauses when one starts or stops."""
        until(self.has_names, "every running container is found by its name")

    def has_names(self) -> bool:
        """Whether every running container's name leads to its address."""
        running = self.running()
        known = self.inside("app-engine", "sh", "-c", LOOK_UP, "sh", *running)
        return dict(line.split() for line in known.stdout.splitlines()) == running

    def running(self) -> dict[str, str]:
        """Give the address of each service whose container runs."""
        listed = run("podman", "ps", "-q", "--filter", f"label=io.podman.compose.project={self.name}").stdout.split()
        seen = json.loads(run("podman", "inspect", *listed).stdout)
        return {
            each["Config"]["Labels"]["com.docker.compose.service"]: network["IPAddress"]
            for each in seen
            for network in each["NetworkSettings"]["Networks"].values()
        }

    def is_ready(self) -> bool:
        """Whether the service can refine, asked at its own address."""
        (network,) = self.inspect("refine")["NetworkSettings"]["Networks"].values()
        try:
            ready = httpx.get(f"http://{network['IPAddress']}:6000/sam/ready", timeout=LONG_S, trust_env=False)
        except (httpx.TransportError, httpx.InvalidURL):  # not up yet, or no address yet
            return False
        return ready.status_code == 200

    def logs(self) -> str:
        """Give the last lines of every container."""
        names = run(
            "podman", "ps", "-a", "--filter", f"label=io.podman.compose.project={self.name}", "--format", "{{.Names}}"
        )
        said = (
            subprocess.run(["podman", "logs", "--tail", "40", name], capture_output=True, text=True, check=False)
            for name in names.stdout.split()
        )
        return "\n".join(done.stdout + done.stderr for done in said)

    # What people do.

    def draw(self) -> Drawn:
        """Draw a loose box on the disc, with two points."""
        number = self.store.add_annotation(self.image, self.alice.id, BOX.wkt)
        places = ((DISC_X, DISC_Y), (DISC_X + 9, DISC_Y))
        return Drawn(
            number, tuple(self.store.add_annotation(self.image, self.alice.id, f"POINT ({x} {y})") for x, y in places)
        )

    def click(self, drawn: Drawn) -> httpx.Response:
        """Press the button: what the web UI sends, from outside."""
        token = Identity("full", JWT_SECRET).token(self.alice.username, "ROLE_USER", "SESSION", 600)
        headers = {"authorization": f"Bearer {token}"}
        return self.public(f"/api/annotation/{drawn.id}/sam", "POST", headers=headers)

    def iou(self, drawn: Drawn) -> float:
        """Compare what Core has with the drawn disc."""
        found = shapely.from_wkt(self.store.location(drawn.id) or "POLYGON EMPTY")
        return float(found.intersection(DISC).area / found.union(DISC).area)

    def left(self, drawn: Drawn) -> list[int]:
        """List the points that are still there."""
        return [point for point in drawn.points if self.store.location(point) is not None]

    def lab(self, service: str, method: str, path: str, **sent: Any) -> Any:
        """Use the stand-in's door for tests."""
        port = {"core": 8080, "pims": 5000}[service]
        last = {"core": 6, "pims": 5}[service]
        answer = httpx.request(
            method, f"http://{self.net}.{last}:{port}/lab/{path}", trust_env=False, timeout=30, **sent
        )
        return answer.json()

    def add_user(self, name: str) -> User:
        """Add an account."""
        return self.store.add_user(name)

    def clear(self) -> None:
        """Let everything go well again."""
        for service in ("core", "pims"):
            until(lambda service=service: self._is_cleared(service), f"{service} is back")  # type: ignore[misc]
        self.wait_for_names()

    def _is_cleared(self, service: str) -> bool:
        try:
            self.lab(service, "POST", "clear")
        except httpx.TransportError:
            return False
        return True
