"""Distribution strategies. The training loop is the same for all of them."""

import tensorflow as tf

from attention_zoo.errors import UserError


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
            logical CPU devices if it has no GPU; `"auto"`: mirrored if there are several
            GPUs, otherwise one device.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.OneDeviceStrategy("GPU:0" if gpus else "CPU:0")
