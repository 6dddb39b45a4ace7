"""What travels to a cluster, and what stays at home."""

import subprocess

import pytest

from akid.cluster import package
from akid.cluster.package import packed, travelling
from akid.errors import ResourceError

KEPT = ("experiment.py", "nets/wide.py", "tokenizer.json", "tokens.py", "values.toml")
SECRETS = (
    ".env",
    "prod.env",
    "id_rsa",
    "id_dsa.pub",
    "tls/server.key",
    "tls/store.jks",
    ".aws/credentials",
    ".docker/config.json",
    ".kaggle/kaggle.json",
    ".bash_history",
    ".npmrc",
    "my-secrets.toml",
    "passwords.yml",
    "token",
    "hub_token.txt",
    "auth_token",
    "service-account.json",
    "kubeconfig.yaml",
    "terraform.tfstate.backup",
)
RESULTS = ("mlflow.db", "mlflow.db-wal", "akid_runs/a/rows.jsonl", "__pycache__/a.pyc", "mlruns/1")


def fill(folder, names) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)


def names(folder) -> list[str]:
    return [str(path) for path in travelling(folder)]


def test_secrets_and_results_stay_at_home(tmp_path) -> None:
    """Also where there is no repository."""
    fill(tmp_path, (*KEPT, *SECRETS, *RESULTS, "venv/pyvenv.cfg", "venv/lib/big.so"))

    assert names(tmp_path) == sorted(KEPT)


def test_what_git_ignores_stays_at_home(tmp_path) -> None:
    """What is not committed yet travels; a secret stays although it was committed."""
    fill(tmp_path, (*KEPT, "data/huge.bin", ".env"))
    (tmp_path / ".gitignore").write_text("data/\n")
    for command in (["init", "-q"], ["add", "-f", ".env", "experiment.py"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)

    assert names(tmp_path) == sorted([*KEPT, ".gitignore"])


def test_a_link_to_a_secret_stays_at_home(tmp_path) -> None:
    """Its own name is harmless, and what travels would be what it leads to."""
    fill(tmp_path, ("home/.ssh/id_rsa", "home/.aws/config", "shared/net.py", "here/experiment.py"))
    here = tmp_path / "here"
    (here / "net.py").symlink_to(tmp_path / "shared" / "net.py")
    (here / "key").symlink_to(tmp_path / "home" / ".ssh" / "id_rsa")
    (here / "settings").symlink_to(tmp_path / "home" / ".aws" / "config")

    assert names(here) == ["experiment.py", "net.py"]


def test_a_folder_that_git_ignores_as_a_whole_travels(tmp_path) -> None:
    """Of it git knows nothing, not even the experiment."""
    fill(tmp_path, (".gitignore", "tries/experiment.py", "tries/.env"))
    (tmp_path / ".gitignore").write_text("tries/\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    assert names(tmp_path / "tries") == ["experiment.py"]


def test_a_copy_is_made_and_goes(tmp_path) -> None:
    """With the folders as they are."""
    fill(tmp_path, KEPT)

    with packed(tmp_path) as copy:
        assert (copy / "nets" / "wide.py").read_text() == "nets/wide.py"
    assert not copy.exists()


def test_a_folder_that_is_too_large_is_refused(tmp_path, monkeypatch) -> None:
    """The largest files are named."""
    monkeypatch.setattr(package, "LIMIT_BYTES", 20)
    fill(tmp_path, ("small.py",))
    (tmp_path / "weights.pt").write_bytes(bytes(100))

    with (
        pytest.raises(ResourceError, match=r"the largest being weights\.pt"),
        packed(tmp_path),
    ):
        pass
