"""Every file in `examples/` runs, in this process, which has TensorFlow already."""

import runpy
import sys
from pathlib import Path

import keras
import pytest

import attention_zoo as az

FOLDER = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """A function that runs an example and returns what it prints, line by line."""

    def run_example(name, *arguments):
        keras.utils.set_random_seed(1)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_example


def test_there_is_a_test_for_every_example():
    own_file = {
        "train_on_jax": "train_on_jax",
        "distil_on_jax": "train_on_jax",
        "samples": "samples",
    }
    names = {path.stem for path in FOLDER.glob("*.py")} - own_file.keys()
    for name, file in own_file.items():
        text = (FOLDER.parent / f"tests/test_{file}.py").read_text(encoding="utf-8")
        assert f"{name}.py" in text
    assert names == {name.removeprefix("test_") for name in globals() if name[5:] in names}
    assert [path for path in FOLDER.iterdir() if path.suffix not in (".py", "")] == []


def test_classify(run):
    lines = run("classify")
    assert [line.split()[0] for line in lines] == ["food", "weather"]


def test_spelling_to_sound(run):
    lines = run("spelling_to_sound")
    assert lines[0] == "['AH T EH N SH AH N', 'Z UW']"
    assert len({line.split("  ")[-1] for line in lines[1:4]}) == 3
    assert len(lines) == 5


def test_dates(run, tmp_path):
    lines = run("dates", 2, "run")
    assert "exact_match" in lines[0]
    assert isinstance(az.load(tmp_path / "run"), az.Seq2Seq)


def test_similarity(run, minilm):
    lines = run("similarity", minilm)
    assert lines[0].endswith("It will rain tomorrow.")


def test_attention_map(run, tmp_path):
    lines = run("attention_map", tmp_path / "map.png")
    assert lines[0].startswith("TH\t")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_custom_loop(run):
    (line,) = run("custom_loop")
    first, last = (float(word.strip(",")) for word in line.split() if word[0] == "0")
    assert last < 0.8 * first
