"""Both distributions as strangers get them: from wheels, in environments of their own, far from the checkout.

The environment of the client is filled from pip's index alone. That of the service borrows torch, torchvision, sam2 and
what torch asks for, several gigabytes, from the environment of the tests; all else comes from the index.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest

from demo.cytomine.server import EmbeddedCytomine
from tests.end_to_end.scripting import boxes, example, outcomes_of
from tests.installing import Environment, build_wheel, with_all_it_needs
from tests.lab import BOX, Lab, free_port, settle, with_addition

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[1]
MOST_MB = 80
HEAVY = {"cv2", "fastapi", "matplotlib", "numpy", "pandas", "requests", "scipy", "shapely", "torch"}
LENT = ("torchvision", "sam2")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where pip finds no index, or has nothing in it."""
    asked = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir", "--retries", "0", "typer"]
    folder = tmp_path_factory.mktemp("index")
    if subprocess.run(asked, cwd=folder, capture_output=True, check=False, timeout=300).returncode:
        pytest.skip("pip reaches no index of packages here")


@pytest.fixture(scope="module", params=["3.10", "this"])
def client(index: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    python = sys.executable if request.param == "this" else interpreter(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} here")
    folder = tmp_path_factory.mktemp("client")
    environment = Environment(folder / "environment", python)
    environment.install(build_wheel(ROOT / "client", folder / "build"))
    return environment


def interpreter(version: str) -> str | None:
    """Find a Python of a version, on the path or of pyenv, whose shims may stand for what is not chosen."""
    of_pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (f"python{version}", *map(str, sorted(of_pyenv.glob(f"{version}.*/bin/python{version}")))):
        if shutil.which(found) and not subprocess.run([found, "-V"], capture_output=True, check=False).returncode:
            return found
    return None


@pytest.fixture(scope="module")
def service(index: None, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("service")
    environment = Environment(folder / "environment")
    environment.lend([*with_all_it_needs("torch"), *LENT], folder / "lent")
    environment.install("-c", ROOT / "constraints.txt", build_wheel(ROOT, folder / "build"))
    return environment


@pytest.fixture(scope="module")
def cytomine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedCytomine, str]]:
    with with_addition(tmp_path_factory.mktemp("cytomine"), "s" * 64) as running:
        yield running


@pytest.fixture
def lab(cytomine: tuple[EmbeddedCytomine, str], request: pytest.FixtureRequest) -> Lab:
    return settle(cytomine[0], request.node.nodeid, cytomine[1])


def keys(lab: Lab) -> dict[str, str]:
    return {
        "CYTOMINE_HOST": lab.cytomine.base_url,
        "CYTOMINE_PUBLIC_KEY": lab.alice.public_key,
        "CYTOMINE_PRIVATE_KEY": lab.alice.private_key,
    }


# --- the client


def test_the_command_says_its_version_and_its_commands(client: Environment, tmp_path: Path) -> None:
    said = client.run("refine", "--version", cwd=tmp_path)
    assert (said.returncode, said.stdout, said.stderr) == (0, f"cytomine-refine {version('cytomine-refine')}\n", "")
    helped = client.run("refine", "--help", cwd=tmp_path)
    assert helped.returncode == 0
    assert all(command in helped.stdout for command in ("annotation", "project", "similar", "propose", "undo"))


def test_it_is_small_and_brings_nothing_heavy(client: Environment, tmp_path: Path) -> None:
    print(f"The client's environment, pip included: {client.size_mb:.0f} MB.")
    assert client.size_mb <= MOST_MB
    found = f"from importlib.util import find_spec; print(*filter(find_spec, {sorted(HEAVY)!r}))"
    assert client.run(client.python, "-c", found, cwd=tmp_path).stdout.split() == []


def test_it_is_not_the_checkouts(client: Environment, tmp_path: Path) -> None:
    where = client.run(client.python, "-c", "import cytomine_refine as c; print(c.__file__)", cwd=tmp_path).stdout
    assert Path(where.strip()).is_relative_to(client.folder)
    assert client.run(client.python, "-c", "import app", cwd=tmp_path).returncode == 1


def test_a_dry_run_of_a_project_changes_nothing(client: Environment, lab: Lab, tmp_path: Path) -> None:
    drawn = boxes(lab, 3)
    before = [lab.location(each) for each in drawn]
    done = client.run("refine", "project", str(lab.project), "--dry-run", cwd=tmp_path, **keys(lab))
    assert done.returncode == 0, done.stderr
    assert "dry run, nothing was written: 3 would change" in done.stdout
    assert outcomes_of(tmp_path / "refined.csv") == ["would change"] * 3
    assert [lab.location(each) for each in drawn] == before


def test_the_page_of_pictures_has_its_template(client: Environment, lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    command = ("refine", "annotation", str(annotation), "--dry-run", "--report-html", "page.html")
    done = client.run(*command, cwd=tmp_path, **keys(lab))
    assert done.returncode == 0, done.stderr
    assert "data:image/jpeg" in (tmp_path / "page.html").read_text()


def test_the_python_example_of_the_page(client: Environment, lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    more = {**keys(lab), "ANNOTATION": str(annotation)}
    done = client.run(client.python, "-c", example("Python"), cwd=tmp_path, **more)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("True 0.")
    assert lab.iou(annotation) > 0.8


def test_the_examples_of_the_packages_own_page(client: Environment, lab: Lab, tmp_path: Path) -> None:
    annotation = lab.draw(BOX)
    page = (ROOT / "client" / "README.md").read_text()
    (commands,), (script,) = (
        [block.partition("```")[0] for block in page.split(f"```{language}\n")[1:]] for language in ("sh", "python")
    )
    (line,) = [line for line in commands.splitlines() if line.startswith("refine ")]
    done = client.run(*line.replace("project 3", f"project {lab.project}").split(), cwd=tmp_path, **keys(lab))
    assert done.returncode == 0, done.stderr
    mine = keys(lab)
    for placeholder, value in (
        ("https://your.cytomine", mine["CYTOMINE_HOST"]),
        ("public key", mine["CYTOMINE_PUBLIC_KEY"]),
        ("private key", mine["CYTOMINE_PRIVATE_KEY"]),
        ("refine(7", f"refine({annotation}"),
    ):
        assert placeholder in script
        script = script.replace(placeholder, value)
    done = client.run(client.python, "-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) > 0.5


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("client.refine(7, points='ignore').score + 1.0", ""),
        ("client.refine('7')", "arg-type"),
        ("client.refine(7, points='some')", "arg-type"),
        ("client.refine(7).scored", "attr-defined"),
    ],
)
def test_type_checkers_see_its_types(client: Environment, tmp_path: Path, statement: str, complaint: str) -> None:
    script = tmp_path / "script.py"
    head = "from cytomine_refine import RefineClient\n\ndef use(client: RefineClient) -> None:"
    script.write_text(f"{head}\n    {statement}\n")
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(client.python), str(script)]
    done = subprocess.run(
        mypy, cwd=tmp_path, env=client.variables(MYPY_CACHE_DIR=str(client.folder / "mypy")),
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == bool(complaint), done.stdout
    assert complaint in done.stdout


def test_a_shell_completes_its_commands_and_options(client: Environment, tmp_path: Path) -> None:
    assert completed(client, tmp_path, "refine", "pro") == {"project", "propose"}
    assert "--dry-run" in completed(client, tmp_path, "refine", "project --d")


def completed(environment: Environment, home: Path, program: str, begun: str) -> set[str]:
    """Install the completion in a bash of its own, and press Tab."""
    done = environment.run("bash", "-c", f"{program} --install-completion; :", cwd=home, HOME=str(home))
    assert done.returncode == 0, done.stderr
    tab = f"""
        source ~/.bashrc
        COMP_WORDS=({program} {begun}) COMP_CWORD={len(begun.split())}
        $(complete -p {program} | sed 's/.*-F \\([^ ]*\\).*/\\1/') {program}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return set(environment.run("bash", "-c", tab, cwd=home, HOME=str(home)).stdout.split())


# --- the service


def test_the_wheel_of_the_service_is_whole(service: Environment) -> None:
    installed = service.packages / "app"
    mine = {path.relative_to(ROOT / "app") for path in (ROOT / "app").rglob("*") if "__pycache__" not in path.parts}
    assert {path for path in mine if not (installed / path).exists()} == set()
    print(f"The service's environment without torch and what is lent with it: {service.size_mb:.0f} MB.")


def test_its_command_says_its_version(service: Environment, tmp_path: Path) -> None:
    said = service.run("refine-service", "--version", cwd=tmp_path)
    told = f"cytomine-refine-service {version('cytomine-refine-service')}\n"
    assert (said.returncode, said.stdout) == (0, told), said.stderr
    where = service.run(service.python, "-c", "import app; print(app.__path__[0])", cwd=tmp_path).stdout
    assert Path(where.strip()).is_relative_to(service.folder)


def test_a_command_of_the_client_says_how_to_get_it(service: Environment, tmp_path: Path) -> None:
    done = service.run("refine-service", "refine", "--help", cwd=tmp_path)
    assert done.returncode == 1
    assert "pip install cytomine-refine" in done.stderr


def test_a_shell_completes_its_commands_too(service: Environment, tmp_path: Path) -> None:
    assert completed(service, tmp_path, "refine-service", "doc") == {"doctor"}


def test_its_doctor_gives_its_verdicts(service: Environment, lab: Lab, tmp_path: Path) -> None:
    done = service.run("refine-service", "doctor", "--image", str(lab.image), cwd=tmp_path, **account(lab))
    about = {line[8:].partition(":")[0]: line[:8].strip() for line in done.stdout.splitlines() if line[:8].strip()}
    assert {name: about[name] for name in ("settings", "Core", "PIMS", "account", "y axis")} == dict.fromkeys(
        ("settings", "Core", "PIMS", "account", "y axis"), "ok"
    ), done.stdout + done.stderr
    assert about["weights"] == "warning"  # the demo model
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("start", ["refine-service serve", "fastapi run"])
def test_it_serves(service: Environment, lab: Lab, tmp_path: Path, start: str) -> None:
    port = free_port()
    words = start.split() if start != "fastapi run" else ["fastapi", "run", str(service.packages / "app" / "main.py")]
    command = [str(service.folder / "bin" / words[0]), *words[1:], "--host", "127.0.0.1", "--port", str(port)]
    with serving(service, command, tmp_path, **account(lab)) as process:
        url = f"http://127.0.0.1:{port}"
        assert answered(f"{url}/sam/ready", process)["status"] == "ready"
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        assert "swagger" in httpx.get(f"{url}/sam/docs", trust_env=False).text.lower()
        annotation = lab.draw(BOX)
        refined = httpx.post(
            f"{url}/sam/annotations/{annotation}/refine", headers={"X-Refine-Secret": "x" * 32}, timeout=60,
            trust_env=False,
        )  # fmt: skip
        assert refined.status_code == 200, refined.text
        assert lab.iou(annotation) > 0.8


def account(lab: Lab) -> dict[str, str]:
    return {
        "REFINE_PLATFORM__HOST": lab.cytomine.base_url,
        "REFINE_PLATFORM__PUBLIC_KEY": lab.account.public_key,
        "REFINE_PLATFORM__PRIVATE_KEY": lab.account.private_key,
        "REFINE_API__SHARED_SECRET": "x" * 32,
        "REFINE_SEGMENTER__DEVICE": "cpu",
        "REFINE_SEGMENTER__DEMO_MODEL": "true",
        "REFINE_SEGMENTER__MEASURE_ENGINES": "false",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def serving(
    service: Environment, command: list[str], folder: Path, **variables: str
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, cwd=folder, env=service.variables(**variables), stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
    assert "Traceback" not in (folder / "log").read_text()


def answered(url: str, process: subprocess.Popen[bytes]) -> dict[str, str]:
    """Wait for a good answer while the process lives."""
    deadline = time.monotonic() + 180
    while process.poll() is None and time.monotonic() < deadline:
        try:
            answer = httpx.get(url, trust_env=False)
            if answer.status_code == 200:
                body: dict[str, str] = answer.json()
                return body
        except httpx.TransportError:
            pass  # not listening yet
        time.sleep(0.1)
    raise AssertionError(f"no good answer from {url}; the process ended with {process.poll()}")
