"""What type checkers read agrees with what happens at run time. `make check` runs pyright."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import attention_zoo as az

ROOT = Path(__file__).parents[1]


def test_the_stub_has_the_public_names():
    tree = ast.parse((ROOT / "api/__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    origins = {alias.asname: node.module for node in imports for alias in node.names}
    assert sorted(origins) == sorted(az.__all__)
    for name, module in origins.items():
        # Folders are attributes of the package as soon as they are imported.
        assert getattr(az, name) is getattr(importlib.import_module(module), name)


def test_pyright_sees_a_use_of_every_public_name():
    tree = ast.parse((ROOT / "tests/typing/public_names.py").read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    used = {node.attr for node in attributes if getattr(node.value, "id", None) == "az"}
    assert used == set(az.__all__)


@pytest.mark.parametrize("first", ["function", "module"])
def test_export_is_a_function_and_its_modules_can_be_imported(first):
    use = """
assert inspect.isfunction(az.export)
assert next(iter(inspect.signature(az.export).parameters)) == "task"
from attention_zoo import export
assert export is az.export
"""
    load = """
import attention_zoo.export.report
import attention_zoo.export.report as module
assert inspect.ismodule(module)
assert attention_zoo.export.report is module
from attention_zoo.export.export import export as function
"""
    parts = [use, load] if first == "function" else [load, use]
    code = "\n".join(["import inspect", "import attention_zoo as az", *parts, use])
    code += "assert function is export"
    command = [sys.executable, "-W", "error::ImportWarning", "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-2000:]


def test_export_cannot_be_replaced():
    with pytest.raises(AttributeError, match="cannot be replaced"):
        az.export = print
