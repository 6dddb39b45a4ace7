"""`akid.sweep deploy`."""

from akid.sweep import main


def test_a_folder_is_written_and_remembers_its_values(tmp_path, capsys) -> None:
    """What was set once stays set when the folder is rendered again."""
    assert main(["deploy", str(tmp_path / "d"), "--set", "max_workers=7"]) == 0
    assert str(tmp_path / "d" / "rayjob.yaml") in capsys.readouterr().out
    assert main(["deploy", str(tmp_path / "d"), "--set", "name=lab"]) == 0

    text = (tmp_path / "d" / "raycluster.yaml").read_text()
    assert "maxReplicas: 7" in text
    assert "name: lab" in text


def test_a_wrong_value_is_exit_code_2(tmp_path, capsys) -> None:
    """And nothing is written."""
    assert main(["deploy", str(tmp_path / "d"), "--set", "name=My Lab"]) == 2
    assert "name: expected" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
