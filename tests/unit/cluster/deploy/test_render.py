"""The rendered files: what Kubernetes, KubeRay, Slurm and `ray up` take."""

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest
import yaml
from sqlalchemy import make_url

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


def pod_specs(values: Values) -> dict[str, dict]:
    """Return what each pod is made of, by the name of its first container."""
    files, found = render(values), []
    for name in MANIFESTS:
        for document in documents(files[name]):
            spec = document.get("spec", {})
            cluster = spec.get("rayClusterSpec", spec)
            found += [spec["template"]] if document["kind"] in {"Deployment", "StatefulSet"} else []
            if "headGroupSpec" in cluster:
                groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
                found += [group["template"] for group in groups]
    return {pod["spec"]["containers"][0]["name"]: pod["spec"] for pod in found}


def test_no_container_runs_as_root_or_may_become_it() -> None:
    """Each names its user, drops all capabilities, and says what it takes."""
    pods = pod_specs(Values())

    assert set(pods) == {"postgres", "mlflow", "ray-head", "ray-worker"}
    for spec in pods.values():
        assert spec["securityContext"]["runAsNonRoot"]
        assert spec["securityContext"]["runAsUser"] > 0
        for container in spec["containers"]:
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]
    # The head's autoscaler speaks to Kubernetes; nobody else has to.
    assert [name for name, s in pods.items() if s.get("automountServiceAccountToken", True)] == [
        "ray-head"
    ]


def test_what_serves_is_asked_whether_it_lives() -> None:
    """KubeRay asks its own pods; MLflow answers on the port that it is asked on."""
    pods = pod_specs(Values())

    for name in ("postgres", "mlflow"):
        (container,) = pods[name]["containers"]
        assert {"readinessProbe", "livenessProbe"} <= set(container)
    (mlflow,) = pods["mlflow"]["containers"]
    assert mlflow["readinessProbe"]["httpGet"]["port"] == mlflow["ports"][0]["containerPort"]
    assert pods["ray-head"]["restartPolicy"] == pods["ray-worker"]["restartPolicy"] == "Never"


def test_the_operator_reaches_the_head_and_nobody_else_does() -> None:
    """It asks the job server how a job stands; the policy would keep it out."""
    files = documents(render(Values(operator_namespace="operators"))["storage.yaml"])
    (policy,) = [document for document in files if document["kind"] == "NetworkPolicy"]
    inside, operator = policy["spec"]["ingress"]

    assert inside == {"from": [{"podSelector": {}}]}
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]
    (peer,) = operator["from"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "operators"}
    assert "podSelector" in peer


def test_mlflow_speaks_to_postgresql_by_what_the_image_has() -> None:
    """Which package `postgresql://` means differs between versions of SQLAlchemy."""
    files = render(Values())
    (uri,) = re.findall(r"--backend-store-uri=(\S+)", files["mlflow.yaml"])

    assert f"{make_url(uri).get_driver_name()}-binary" in files["Dockerfile"]
    assert make_url(uri).password is None  # it is a secret, in PGPASSWORD


def test_each_step_of_slurm_asks_for_its_cpus() -> None:
    """Otherwise it has one: srun does not take them from sbatch."""
    script = render(Values(cpus_per_worker=7))["slurm.sh"].replace("\\\n", " ")
    steps = [line for line in script.splitlines() if "ray start" in line]

    assert len(steps) == 2
    assert all("--cpus-per-task=7" in step for step in steps)


def test_the_image_is_built_from_what_it_copies() -> None:
    """The builder is sent that and nothing else: no data, no environment, no store."""
    files = render(Values())
    copied = re.findall(r"^COPY --chown=\S+ (.+) \S+$", files["Dockerfile"], re.MULTILINE)
    lines = files["Dockerfile.dockerignore"].splitlines()

    assert "*" in lines
    assert {name for line in copied for name in line.split()} == {
        line[1:] for line in lines if line.startswith("!")
    }


def test_a_folder_is_rendered_again_but_nothing_foreign_is_touched(tmp_path) -> None:
    """Files of an earlier rendering are replaced; a folder with others is refused."""
    write(tmp_path, Values())
    written = write(tmp_path, Values(max_workers=9))

    assert {file.name for file in written} == {*FILES, "values.toml"}
    assert "maxReplicas: 9" in (tmp_path / "raycluster.yaml").read_text()
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(DeployError, match=re.escape("thesis.tex")):
        write(tmp_path, Values())
