"""Layers and models run on every Keras backend: they may not name one. All else is TensorFlow."""

import ast
import re
from pathlib import Path

import keras
import pytest
from reference.backends import run_python

import attention_zoo.layers
import attention_zoo.zoo
from attention_zoo.errors import UserError

SOURCES = [
    path
    for package in (attention_zoo.layers, attention_zoo.zoo)
    for path in Path(package.__file__).parent.rglob("*.py")
]


def imported_packages(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports_no_backend(path):
    backends = {"tensorflow", "tensorflow_text", "jax", "torch", "openvino"}
    assert not backends & set(imported_packages(path.read_text(encoding="utf-8")))


def test_what_needs_tensorflow_says_that_keras_runs_on_another_backend(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match="Keras runs on jax, which supports only the layers") as e:
        attention_zoo.load("g2p_rnn")
    assert "set KERAS_BACKEND=tensorflow in the environment" in str(e.value)
    # A path that leads nowhere is reported first.
    with pytest.raises(UserError, match="g2p_rmn"):
        attention_zoo.load("g2p_rmn")


# Names of tasks and searches say so too; layers, models and tokenizers go on.
SCRIPT = """
import attention_zoo as az
from attention_zoo.errors import UserError

print(az.layers.Linear.__name__, az.Transformer.__name__, az.CharacterTokenizer.__name__)
for ask in (lambda: az.load("g2p_rnn"), lambda: az.Seq2Seq, lambda: az.greedy_search):
    try:
        ask()
    except UserError as error:
        print(error)
"""


def test_what_runs_on_jax_and_what_does_not():
    run = run_python("-c", SCRIPT, backend="jax")
    first, *errors = run.stdout.splitlines()
    assert first == "Linear Transformer CharacterTokenizer"
    assert len(errors) == 3
    assert all(error.startswith("Keras runs on jax, which supports only") for error in errors)


def test_a_backend_that_is_not_there_is_named():
    program = "import attention_zoo as az; az.load('g2p_rnn')"
    run = run_python("-c", program, backend="abacus")
    assert re.search(
        r"UserError: Keras cannot be imported .*abacus.*KERAS_BACKEND=tensorflow", run.stderr
    )


def test_the_command_line_sets_another_backend_aside():
    command = ["-m", "attention_zoo.cli", "predict", "g2p_rnn"]
    asked, usual = (
        run_python(*command, backend=backend, input="zoo\n") for backend in ("abacus", "tensorflow")
    )
    assert (asked.returncode, usual.returncode) == (0, 0), asked.stderr[-2000:]
    assert asked.stdout == usual.stdout != ""
    assert asked.stderr == "KERAS_BACKEND=abacus is ignored: tasks run on TensorFlow\n"
    assert usual.stderr == ""
