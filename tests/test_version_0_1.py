"""What version 0.1 wrote: runs and exports of each kind still load, answer, verify and resume."""

import json
import zipfile
from pathlib import Path

import pytest

import attention_zoo as az
from attention_zoo.recipes.recipe import load_recipe
from attention_zoo.recipes.run import train_recipe

KINDS = ("answer", "classify", "embed", "fill_mask", "rnn", "seq2seq", "tag")
# Those with a SavedModel and more take a minute each.
VERIFIED = [
    pytest.param(kind, marks=[pytest.mark.slow] * (kind not in ("rnn", "tag"))) for kind in KINDS
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("version_0_1")
    with zipfile.ZipFile(Path(__file__).parent / "data" / "version_0_1.zip") as archive:
        archive.extractall(folder)
    return folder


def asked_and_answered(folder):
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    asked = answers.pop("asked")
    return [x if isinstance(x, str) else tuple(x) for x in asked], answers


def same(task, first, second):
    if task.kind != "embed":
        return first == second
    pairs = zip(first.split(), second.split(), strict=True)
    return all(abs(float(a) - float(b)) < 1e-5 for a, b in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_runs_and_artefacts_answer_as_they_did(kind, written):
    asked, answers = asked_and_answered(written / kind)
    for name, wanted in answers.items():
        task = az.load(written / kind / ("run" if name == "run" else f"export/{name}"))
        for answer, expected in zip(task(asked), wanted, strict=True):
            assert same(task, answer, expected), (name, answer, expected)


@pytest.mark.parametrize("kind", VERIFIED)
def test_exports_verify(kind, written):
    report = az.verify_export(written / kind / "export")
    assert all(artefact["verified"] for artefact in report["artefacts"])


@pytest.mark.parametrize("kind", ["classify", "seq2seq"])
def test_runs_resume(kind, written):
    run = written / kind / "run"
    data = sorted((written / kind).glob("data.*"))[0]
    overrides = ["train.steps=6", *(f"data.{part}={data}" for part in ("train", "valid", "test"))]
    _, figures = train_recipe(load_recipe(run / "recipe.yaml", overrides), run, resume=True)
    assert figures["steps"] == 6
