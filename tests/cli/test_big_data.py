"""The commands of the page on big data: prepare, train on it, tune, runs."""

import json
import re

import pytest


@pytest.fixture(scope="module")
def prepared(zoo, data, tmp_path_factory):
    """A run that was trained on prepared data, in a folder of runs."""
    folder = tmp_path_factory.mktemp("big")
    zoo("prepare", data / "recipe.yaml", "--out", folder / "ids", "--processes", 1, check=0)
    options = ["--set", f"data.train={folder}/ids", "--set", "train.steps=4"]
    zoo("train", data / "recipe.yaml", "--out", folder / "runs" / "one", *options, check=0)
    return folder


def test_prepare_is_done_once(zoo, data, prepared):
    again = zoo("prepare", data / "recipe.yaml", "--out", prepared / "ids", check=0)
    assert "tokenizing" not in again.stderr
    other = ["--set", "tokenizer={kind: words}"]
    refused = zoo("prepare", data / "recipe.yaml", "--out", prepared / "ids", *other, check=2)
    assert "was prepared by another recipe" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_runs(zoo, prepared):
    broken = prepared / "runs" / "broken"
    broken.mkdir()
    (broken / "recipe.yaml").write_text("task: seq2seq\nmodel: {preset: nonsense}\n")
    first, second = map(json.loads, zoo("runs", prepared / "runs", "--json").stdout.splitlines())
    assert first["path"] == "one"
    assert first["state"] == "finished"
    assert first["steps"] == 4
    assert first["metrics"][0] in first["valid"]
    assert second["path"] == "broken"
    assert "data" in second["state"]
    table = zoo("runs", prepared / "runs").stdout
    assert "finished" in table
    assert "no such directory" in zoo("runs", prepared / "nowhere", check=2).stderr
    assert "contains no runs" in zoo("runs", prepared / "ids", check=2).stderr


def test_a_learning_rate_is_suggested(zoo, data):
    found = zoo("tune", data / "recipe.yaml", "--learning-rate", "--steps", 30, check=0)
    assert re.fullmatch(r"train\.learning_rate\.(peak|factor)=[\d.e-]+\n", found.stdout)
    assert "rate 1e-07: loss" in found.stderr


@pytest.mark.slow
def test_the_largest_batch(zoo, data):
    found = zoo("tune", data / "recipe.yaml", "--batch", check=0)
    assert re.fullmatch(r"train\.batch_tokens=\d+\n", found.stdout)
    assert "1 batches in an epoch" in found.stderr
