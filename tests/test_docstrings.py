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
from attention_zoo.tasks.settings import TASKS
from attention_zoo.train.metrics import METRICS
from attention_zoo.zoo import MODELS

PACKAGES = ["layers", "zoo", "text", "decoding", "tasks", "train", "export", "testing"]
PACKAGES = [f"attention_zoo.{name}" for name in PACKAGES]
PACKAGES = [importlib.import_module(name) for name in PACKAGES if importlib.util.find_spec(name)]
MODULES = [package.__name__ for package in PACKAGES] + [
    module.name
    for package in PACKAGES
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    # Scripts for processes of their own; some make this package impossible to import.
    if ".runners." not in module.name
]


def public(package):
    return {name: getattr(package, name) for name in getattr(package, "__all__", [])}


@pytest.fixture
def registries():
    """Registries, from which goes what an example registers."""
    list(TASKS.values())  # which registers their metrics
    before = [set(registry) for registry in (METRICS, MODELS)]
    yield
    for registry, names in zip((METRICS, MODELS), before, strict=True):
        for name in set(registry) - names:
            del registry._registered[name]
            zoo.PRESETS.pop(name, None)


@pytest.mark.usefixtures("registries")
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
