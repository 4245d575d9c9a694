"""Artefacts run by other versions of their runtimes: the table in `docs/reference/formats.md`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from reference.encoder_tasks import make

from attention_zoo.errors import ResultError
from attention_zoo.export.export import export, verify_export
from attention_zoo.export.formats import FORMATS
from attention_zoo.tasks.seq2seq.task import Seq2Seq
from attention_zoo.zoo import RNNAttention

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
KINDS = ("Transformer", "RNN", "classify")


def environments():
    """The rows of the table: packages, Keras's backend, formats, and which fail with what."""
    table = re.search(r"\| packages \|(?:.*\n)(?:\|.*\n)+", PAGE).group()
    for row in table.splitlines()[2:]:
        packages, backend, formats, fails = (cell.strip() for cell in row.split("|")[1:-1])
        yield (
            re.findall(r"`(.*?)`", packages),
            backend,
            re.findall(r"`(\w+)`", formats),
            re.findall(r"`(\w+)` of (\w+)", fails),
        )


ENVIRONMENTS = {" ".join(row[0]) + (" " + row[1]).rstrip(): row for row in environments()}


def test_the_table_has_what_is_promised():
    tried = {name for _, _, formats, _ in ENVIRONMENTS.values() for name in formats}
    assert {"saved_model", "h5", "keras", "litert", "onnx"} <= tried <= set(FORMATS)
    packages = {package for packages, *_ in ENVIRONMENTS.values() for package in packages}
    for name in ("tensorflow", "tf_keras", "keras", "ai-edge-litert", "onnxruntime"):
        assert len({package for package in packages if package.split("==")[0] == name}) > 1


@pytest.fixture(scope="module")
def artefacts(task, tmp_path_factory):
    """A function of a kind of task and a format that gives an export of it, or None."""
    tasks = {"Transformer": (task, task.examples), "classify": make("classify")}
    recurrent = RNNAttention(60, 40, width=24, attention="luong", max_length=20)
    for i, variable in enumerate(recurrent.trainable_variables):
        variable.assign_add(np.random.default_rng(i).normal(0, 0.2, variable.shape))
    made = Seq2Seq(recurrent, task.source_tokenizer, task.target_tokenizer)
    made.metrics = ("chrf",)
    tasks["RNN"] = made, task.examples
    found = {}

    def get(kind, name):
        if FORMATS[name].why_not(tasks[kind][0]):
            return None
        if (kind, name) not in found:
            directory = tmp_path_factory.mktemp("exported") / "out"
            export(tasks[kind][0], directory, [name], examples=tasks[kind][1])
            found[kind, name] = directory
        return found[kind, name]

    return get


def make_environment(folder, packages):
    """The interpreter of a new environment with these packages."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_table_is_true(name, artefacts, tmp_path, monkeypatch):
    packages, backend, formats, fails = ENVIRONMENTS[name]
    python = make_environment(tmp_path / "venv", packages)
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", backend or "tensorflow")
    for form in formats:
        for kind in KINDS:
            directory = artefacts(kind, form)
            if directory is None:
                continue
            if (form, kind) in fails:
                with pytest.raises(ResultError):
                    verify_export(directory, python=python)
            else:
                (artefact,) = verify_export(directory, python=python)["artefacts"]
                assert artefact["verified"]


def lowest_requirements():
    """What `setup.cfg` asks for, each at its lower bound."""
    text = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    required = re.search(r"install_requires =\n((?:    .*\n)+)", text).group(1)
    extras = re.search(r"plot =\n((?:    .*\n)+)", text).group(1)
    return [
        f"{name}=={bound}"
        for name, bound in re.findall(r"^ *([\w-]+) >= ([\d.]+)$", required + extras, re.MULTILINE)
    ]


@pytest.mark.slow
def test_the_demo_runs_with_every_dependency_at_its_lower_bound(tmp_path):
    lowest = lowest_requirements()
    assert len(lowest) > 12
    python = make_environment(tmp_path / "venv", [*lowest, str(ROOT)])
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    ).stdout
    assert "attention-zoo==" in listed
    command = [tmp_path / "venv" / "bin" / "attention-zoo", "demo", "--out", tmp_path / "run"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr[-3000:]
    assert (tmp_path / "run" / "export" / "report.md").exists()
