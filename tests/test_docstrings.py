"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil

import keras
import numpy as np
import pytest

from attention_zoo import layers, zoo

PACKAGES = ["layers", "zoo", "text", "decoding", "tasks", "train", "export", "testing"]
PACKAGES = [f"attention_zoo.{name}" for name in PACKAGES]
PACKAGES = [importlib.import_module(name) for name in PACKAGES if importlib.util.find_spec(name)]
MODULES = [package.__name__ for package in PACKAGES] + [
    module.name
    for package in PACKAGES
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


def public(package):
    return {name: getattr(package, name) for name in getattr(package, "__all__", [])}


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_module(name):
    module = importlib.import_module(name)
    names = {"np": np, "keras": keras}
    for package in PACKAGES:
        names |= public(package)
    runner, printed = doctest.DocTestRunner(), []
    for test in doctest.DocTestFinder().find(module, globs=names | vars(module)):
        runner.run(test, out=printed.append)
    assert not runner.failures, "".join(printed)


PUBLIC = {
    f"{package.__name__}.{name}": value
    for package in (layers, zoo)
    for name, value in public(package).items()
    if callable(value)
}


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_of_layers_and_zoo_have_an_example(name):
    assert ">>> " in inspect.getdoc(PUBLIC[name])
