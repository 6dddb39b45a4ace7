"""Render: the files of a deployment."""

from pathlib import Path
from typing import Final

from akid.cluster.deploy import values as deploy_values
from akid.cluster.deploy.values import Values
from akid.errors import DeployError

FILES: Final = (
    "Dockerfile",
    "Dockerfile.dockerignore",
    "storage.yaml",
    "mlflow.yaml",
    "raycluster.yaml",
    "rayjob.yaml",
    "slurm.sh",
    "ray-up.yaml",
)
"""What is rendered, each from the template of its name."""


def render(values: Values) -> dict[str, str]:
    """Return the text of each file by its name."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(  # noqa: S701 (YAML and shell, no HTML)
        loader=PackageLoader("akid.cluster.deploy"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    facts = deploy_values.as_mapping(values)
    return {name: environment.get_template(f"{name}.j2").render(facts) for name in FILES}


def write(folder: Path, values: Values) -> list[Path]:
    """Write the files and the values into a folder; return what was written.

    Files of an earlier rendering are replaced.

    Raises:
        DeployError: If the folder holds other files, or can't be written.
    """
    ours = {*FILES, deploy_values.FILE_NAME}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = sorted(path.name for path in folder.iterdir() if path.name not in ours)
        if foreign:
            raise DeployError(
                f"deploy: expected a folder with nothing but an earlier rendering, got {folder}"
                f" with {', '.join(foreign[:5])}. Name another folder."
            )
        texts = {**render(values), deploy_values.FILE_NAME: deploy_values.to_toml(values)}
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / "slurm.sh").chmod(0o755)
    except OSError as error:
        raise DeployError(
            f"deploy: can't write to {folder}: {error}. Name another folder."
        ) from error
    return [folder / name for name in texts]
