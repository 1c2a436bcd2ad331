"""What the image says of itself."""

from __future__ import annotations

import json

from tests.deploy.stack import SERVICE, run

LIST = """
import json
from importlib.metadata import distributions
bill = json.load(open("/app/bill.cdx.json"))
installed = {each.metadata["Name"]: each.version for each in distributions()}
print(json.dumps([bill["bomFormat"], installed, {each["name"]: each["version"] for each in bill["components"]}]))
"""


def test_the_bill_of_materials_lists_what_is_installed() -> None:
    said = run("podman", "run", "--rm", "--network", "none", SERVICE, "python", "-c", LIST).stdout
    form, installed, listed = json.loads(said)
    assert form == "CycloneDX"
    assert listed == installed
    assert {"cytomine-refine", "cytomine-refine-service"} <= listed.keys()
    assert "torch" not in listed


def test_the_image_names_its_base() -> None:
    (image,) = json.loads(run("podman", "image", "inspect", SERVICE).stdout)
    assert image["Labels"]["org.opencontainers.image.base.name"] == "localhost/refine-deploy:base"
