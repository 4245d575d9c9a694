"""The workers that the environment describes, and the strategies that follow."""

import json

import pytest

from attention_zoo.errors import UserError
from attention_zoo.train.cluster import Cluster, read_cluster
from attention_zoo.train.strategies import make_strategy
from attention_zoo.train.workers import Workers

TWO = {"worker": ["a:1", "b:2"]}


def config(cluster, kind="worker", index=0):
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"TF_CONFIG": ""}, None),
        ({"TF_CONFIG": "{}"}, None),
        (config({"worker": ["a:1"]}), None),
        (config(TWO, index=1), Cluster(("a:1", "b:2"), 1)),
        (config({"chief": ["c:0"], **TWO}, "chief"), Cluster(("c:0", "a:1", "b:2"), 0)),
        (config({"chief": ["c:0"], **TWO}, "worker", 1), Cluster(("c:0", "a:1", "b:2"), 2)),
        ({"SLURM_STEP_NUM_TASKS": "1"}, None),
        # In a batch script, outside of srun, there is no step.
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, None),
    ],
)
def test_workers(environment, expected):
    assert read_cluster(environment) == expected


def test_a_cluster_describes_itself():
    cluster = Cluster(("a:1", "b:2"), 1)
    assert read_cluster({"TF_CONFIG": cluster.tf_config}) == cluster


def test_slurm(monkeypatch):
    """The second task of the second node: nodes and tasks per node in Slurm's short forms."""
    for name, value in {
        "PROCID": "3",
        "STEP_NUM_TASKS": "4",
        "STEP_NODELIST": "gpu[09-10]",
        "STEP_TASKS_PER_NODE": "2(x2)",
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    expected = ("gpu09:20000", "gpu09:20001", "gpu10:20000", "gpu10:20001")
    assert read_cluster() == Cluster(expected, 3)
    monkeypatch.setenv("SLURM_STEP_NODELIST", "gpu[09")
    with pytest.raises(UserError, match="cannot be read from Slurm's variables"):
        read_cluster()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG is not valid: .*accepted is, for example.*host-0:2222"),
        ({"TF_CONFIG": "[1]"}, "TF_CONFIG is not valid"),
        ({"TF_CONFIG": '{"cluster": {"worker": "a:1"}}'}, "TF_CONFIG is not valid"),
        (config({"worker": ["a", "b:1"]}), "'a' is not HOST:PORT"),
        (config(TWO, index="one"), "TF_CONFIG is not valid"),
        (config({"ps": ["p:1"], **TWO}), r"parameter servers \(ps\), which are not supported"),
        (config({"evaluator": ["e:1"], **TWO}), "the job 'evaluator'; accepted: chief, worker"),
        (config(TWO, index=2), "is 'worker' 2, which is not in its cluster of 2"),
        (config(TWO, index=-1), "is 'worker' -1, which is not in its cluster"),
        (config(TWO, "chief"), "is 'chief' 0, which is not in its cluster of 2"),
    ],
)
def test_what_is_not_a_cluster(environment, message):
    with pytest.raises(UserError, match=message):
        read_cluster(environment)


@pytest.mark.parametrize("name", ["one_device", "mirrored", "tpu"])
def test_workers_are_not_ignored(name, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(TWO)["TF_CONFIG"])
    with pytest.raises(UserError, match=f"strategy is {name}, but .* describe 2 workers"):
        make_strategy(name)


def test_there_must_be_workers_and_a_tpu():
    with pytest.raises(UserError, match="multi_worker, but no workers are known: set TF_CONFIG"):
        make_strategy("multi_worker")
    with pytest.raises(UserError, match="strategy is tpu, but TensorFlow finds no TPU"):
        make_strategy("tpu")


def test_one_process_agrees_with_itself():
    workers = Workers(make_strategy("one_device"))
    assert (workers.count, workers.index, workers.is_chief) == (1, 0, True)
    assert workers.any([False, True, False]) == [False, True, False]
    workers.require_same({"data": "a"})
    workers.wait()
