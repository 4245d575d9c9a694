"""The workers of a training: from `TF_CONFIG`, or from the variables that Slurm's `srun` sets.

This module does not import TensorFlow until Slurm's variables are read.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from attention_zoo.errors import UserError, shown

_VARIABLE = "TF_CONFIG"
_SLURM_PORT = 20_000


@dataclasses.dataclass(frozen=True)
class Cluster:
    """All workers of a training, one of which is this process.

    Attributes:
        addresses: `host:port` of each worker.
        index: which of them this process is; worker 0 is the chief, which writes the run.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def tf_config(self) -> str:
        """The value of `TF_CONFIG` for this worker."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


def read_cluster(environ: Mapping[str, str] = os.environ) -> Cluster | None:
    """The workers that the environment describes; None if there is only this process.

    Args:
        environ: environment variables. `TF_CONFIG` takes precedence over Slurm's, which count
            only in a step of several tasks (`srun`).

    Raises:
        UserError: if `TF_CONFIG` is not what `tf.distribute` documents, or has parameter servers.

    Example:
        >>> jobs = {"worker": ["a:1", "b:1"]}
        >>> config = {"cluster": jobs, "task": {"type": "worker", "index": 1}}
        >>> read_cluster({"TF_CONFIG": json.dumps(config)})
        Cluster(addresses=('a:1', 'b:1'), index=1)
    """
    if environ.get(_VARIABLE):
        cluster = _from_tf_config(environ[_VARIABLE])
    elif int(environ.get("SLURM_STEP_NUM_TASKS") or 1) > 1:
        cluster = _from_slurm()
    else:
        return None
    return cluster if len(cluster.addresses) > 1 else None


def _from_tf_config(text: str) -> Cluster:
    try:
        config = json.loads(text)
        jobs, task = config.get("cluster") or {}, config.get("task") or {}
        addresses = {job: [_address(a) for a in jobs[job]] for job in jobs}
        kind, index = task.get("type", "worker"), int(task.get("index", 0))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{_VARIABLE} is not valid: {error}; accepted is, for example, "
            f"{Cluster(('host-0:2222', 'host-1:2222'), 0).tf_config}; received {shown(text)}"
        ) from error
    if "ps" in addresses:
        raise UserError(
            f"{_VARIABLE} has parameter servers (ps), which are not supported: Keras reads and "
            "writes its step counter in two operations, so steps of concurrent workers are lost. "
            "List all processes as worker"
        )
    if unknown := addresses.keys() - {"chief", "worker"}:
        raise UserError(f"{_VARIABLE} has the job {min(unknown)!r}; accepted: chief, worker")
    chiefs = addresses.get("chief", [])
    workers = (*chiefs, *addresses.get("worker", []))
    number = index + (len(chiefs) if kind == "worker" else 0)
    if workers and (kind not in addresses or not 0 <= index < len(addresses[kind])):
        raise UserError(
            f"{_VARIABLE} says that this process is {shown(kind)} {index}, which is not in its "
            f"cluster of {len(workers)}"
        )
    return Cluster(workers, number)


def _address(value: Any) -> str:
    if not isinstance(value, str) or ":" not in value:
        raise ValueError(f"{shown(value)} is not HOST:PORT")
    return value


def _from_slurm() -> Cluster:
    import tensorflow as tf

    try:
        # Slurm assigns GPUs itself. Without these numbers the resolver calls nvidia-smi.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_SLURM_PORT, gpus_per_node=1024, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
        return Cluster(tuple(addresses), resolver.task_id)
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"the workers cannot be read from Slurm's variables: {error}; set {_VARIABLE}, or "
            "unset SLURM_STEP_NUM_TASKS for a training in one process"
        ) from error
