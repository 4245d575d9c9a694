"""The Kubernetes manifests in the documentation fit the schemas that their projects publish."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from kubeflow_trainer_api import models

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "several-devices.md"
KINDS = {
    "JobSet": models.JobsetV1alpha2JobSet,
    "TrainJob": models.TrainerV1alpha1TrainJob,
    "TrainingRuntime": models.TrainerV1alpha1TrainingRuntime,
}
MANIFESTS = [
    manifest
    for text in re.findall(r"```yaml title=.*?\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for manifest in yaml.safe_load_all(text)
]


def unknown(given, known, path=""):
    """What the schema does not have: its models drop unknown fields without an error."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in known:
                yield f"{path}.{name}"
            else:
                yield from unknown(value, known[name], f"{path}.{name}")
    elif isinstance(given, list):
        for i, (value, known_value) in enumerate(zip(given, known, strict=True)):
            yield from unknown(value, known_value, f"{path}[{i}]")
    elif given != known:
        yield f"{path}: {given!r} became {known!r}"


def test_every_kind_is_checked():
    assert sorted(manifest["kind"] for manifest in MANIFESTS) == sorted(KINDS)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_it_fits_its_schema(manifest):
    model = KINDS[manifest["kind"]].from_dict(manifest)
    assert list(unknown(manifest, model.to_dict())) == []


def test_a_misspelt_field_is_noticed():
    misspelt = {"apiVersion": "v", "kind": "JobSet", "spec": {"replicatedJob": []}}
    model = KINDS["JobSet"].from_dict(misspelt)
    assert list(unknown(misspelt, model.to_dict())) == [".spec.replicatedJob"]


@pytest.mark.parametrize("kind", ["JobSet", "TrainJob"])
def test_each_worker_gets_its_own_tf_config(kind):
    """The scripts of the manifests, run by bash in place of Kubernetes."""
    (manifest,) = (m for m in MANIFESTS if m["kind"] == kind)
    if kind == "JobSet":
        job = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
        container = job["template"]["spec"]["containers"][0]
    else:
        container = manifest["spec"]["trainer"]
    (script,) = container["args"]
    script = script.replace("exec attention-zoo", 'echo "$TF_CONFIG" #')
    for index in range(2):
        process = subprocess.run(
            [*container["command"], script],
            env={"PATH": "/usr/bin:/bin", "JOB_COMPLETION_INDEX": str(index)},
            capture_output=True,
            text=True,
            check=True,
        )
        config = json.loads(process.stdout)
        assert len(config["cluster"]["worker"]) == 2
        assert config["task"] == {"type": "worker", "index": index}
