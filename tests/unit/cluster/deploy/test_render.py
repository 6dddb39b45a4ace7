"""The rendered files: what Kubernetes, KubeRay, Slurm and `ray up` take."""

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml

from akid.cluster.deploy.render import FILES, render, write
from akid.cluster.deploy.values import Values
from akid.errors import DeployError

SCHEMA = json.loads(Path(__file__).with_name("manifest_schema.json").read_text())
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)
MANIFESTS = ("storage.yaml", "mlflow.yaml", "raycluster.yaml", "rayjob.yaml")
CHOICES = [
    Values(),
    Values(gpus_per_worker=0, storage_class="nfs", max_workers=1),
    Values(gpus_per_worker=8, gpu_product="NVIDIA-H200", slurm_partition="gpu", name="a-b"),
]


def documents(text: str) -> list:
    return [document for document in yaml.safe_load_all(text) if document]


def test_the_schema_is_one() -> None:
    """A word misspelt in it would check nothing."""
    VALIDATOR.check_schema(SCHEMA)


@pytest.mark.parametrize("values", CHOICES)
@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_fit_the_schemas(name: str, values: Values) -> None:
    """Each field is one that Kubernetes or KubeRay knows, and has its type."""
    found = documents(render(values)[name])

    assert found
    for document in found:
        VALIDATOR.validate(document)


def test_a_misspelt_field_would_be_found() -> None:
    """The schema is not one that all things fit."""
    (cluster,) = documents(render(Values())["raycluster.yaml"])
    cluster["spec"]["workerGroupSpecs"][0]["maxReplica"] = 3

    with pytest.raises(jsonschema.ValidationError, match="maxReplica"):
        jsonschema.validate(cluster, SCHEMA)


def test_ray_up_fits_rays_own_schema() -> None:
    """That of the installed version."""
    package = Path(find_spec("ray").origin).parent  # it is not loaded
    schema = json.loads((package / "autoscaler" / "ray-schema.json").read_text())

    jsonschema.validate(yaml.safe_load(render(Values())["ray-up.yaml"]), schema)


@pytest.mark.parametrize("values", CHOICES)
def test_the_slurm_script_is_a_shell_script(values: Values) -> None:
    """Bash can read it."""
    script = render(values)["slurm.sh"]

    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert ("--gpus-per-node" in script) == (values.gpus_per_worker > 0)


def test_everything_names_the_same_parts() -> None:
    """The claim, the secret, the server and the image are called alike in all files."""
    files = render(Values(name="lab", image="lab/akid:3"))
    whole = "".join(files[name] for name in MANIFESTS)

    assert set(re.findall(r"claimName: (\S+)", whole)) == {"lab-shared"}
    assert "http://lab-mlflow:5000" in files["rayjob.yaml"]
    assert set(re.findall(r"image: (\S+)", whole)) == {"lab/akid:3", "postgres:17"}


def test_the_cluster_asks_for_a_token_and_is_closed_to_the_outside() -> None:
    """Dashboards bind to loopback where nothing else guards them."""
    files = render(Values())

    assert documents(files["raycluster.yaml"])[0]["spec"]["authOptions"] == {"mode": "token"}
    assert "NetworkPolicy" in files["storage.yaml"]
    assert "RAY_AUTH_MODE=token" in files["slurm.sh"]
    assert "RAY_AUTH_MODE=token" in files["ray-up.yaml"]
    for name in ("slurm.sh", "ray-up.yaml"):
        assert "--dashboard-host=127.0.0.1" in files[name]


def test_a_folder_is_rendered_again_but_nothing_foreign_is_touched(tmp_path) -> None:
    """Files of an earlier rendering are replaced; a folder with others is refused."""
    write(tmp_path, Values())
    written = write(tmp_path, Values(max_workers=9))

    assert {file.name for file in written} == {*FILES, "values.toml"}
    assert "maxReplicas: 9" in (tmp_path / "raycluster.yaml").read_text()
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(DeployError, match=re.escape("thesis.tex")):
        write(tmp_path, Values())
