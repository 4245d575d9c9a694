"""Layers and models run on every Keras backend: they may not name one."""

import ast
from pathlib import Path

import pytest

import attention_zoo.layers
import attention_zoo.zoo

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
