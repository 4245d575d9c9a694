"""Distribution strategies. The training loop is the same for all of them."""

import os

import keras
import tensorflow as tf

from attention_zoo.errors import UserError
from attention_zoo.train.cluster import read_cluster


def divide_cpu(count):
    """Splits this machine's CPU into logical devices; call it before TensorFlow is initialised.

    They share its cores: training is not faster, but `mirrored` can be tested.

    Args:
        count: the number of logical devices.

    Raises:
        UserError: if TensorFlow is already initialised.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_logical_device_configuration(cpu, devices)
    except RuntimeError as error:
        raise UserError(f"the CPU can no longer be divided: {error}") from error


def make_strategy(name="auto"):
    """Makes a `tf.distribute` strategy.

    Args:
        name: `"one_device"`; `"mirrored"`: all GPUs of this machine, or all its
            logical CPU devices if it has no GPU; `"multi_worker"`: the workers of `TF_CONFIG`
            or of a Slurm step, each with all of its GPUs; `"tpu"`: the TPU that the environment
            variable `TPU_NAME` names, or the one of this machine. `"auto"`: multi_worker if
            there are several workers, mirrored if there are several GPUs, otherwise one device.

    Raises:
        UserError: if there are no workers or no TPU, or other workers would be ignored.
    """
    if keras.distribution.distribution() is not None:
        raise UserError(
            "keras.distribution has no effect on the TensorFlow backend: use train.strategy, or "
            "train with Keras on JAX"
        )
    cluster = read_cluster()
    if cluster and name not in ("auto", "multi_worker"):
        raise UserError(
            f"train.strategy is {name}, but TF_CONFIG or Slurm describe {len(cluster.addresses)} "
            "workers: set it to auto or multi_worker, or unset TF_CONFIG"
        )
    if cluster:
        return _multi_worker(cluster)
    if name == "multi_worker":
        raise UserError(
            "train.strategy is multi_worker, but no workers are known: set TF_CONFIG, start the "
            "training with srun, or with --workers N on this machine"
        )
    if name == "tpu":
        return _tpu()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.OneDeviceStrategy("GPU:0" if gpus else "CPU:0")


def _multi_worker(cluster):
    os.environ["TF_CONFIG"] = cluster.tf_config
    has_gpus = bool(tf.config.list_physical_devices("GPU"))
    kinds = tf.distribute.experimental.CommunicationImplementation
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=kinds.NCCL if has_gpus else kinds.RING
    )
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except (RuntimeError, tf.errors.OpError) as error:
        raise UserError(
            f"worker {cluster.index} of {len(cluster.addresses)} cannot join the others: {error}"
        ) from error


def _tpu():
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(
            os.environ.get("TPU_NAME", "local")
        )
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        reason = str(error).split(". ")[0]
        raise UserError(
            "train.strategy is tpu, but TensorFlow finds no TPU (its runtime is in the package "
            f"tensorflow-tpu; TPU_NAME names a TPU of another machine): {reason}"
        ) from error
