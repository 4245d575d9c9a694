"""Where training runs. The loop is the same for every strategy."""

import tensorflow as tf

from attention_zoo.errors import UserError


def divide_cpu(number):
    """Makes this machine's CPU so many devices; before TensorFlow has done anything.

    They share its cores: nothing gets faster, but what `mirrored` does can be seen.

    Args:
        number: of logical devices.

    Raises:
        UserError: if TensorFlow has begun.
    """
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * number
    try:
        tf.config.set_logical_device_configuration(cpu, devices)
    except RuntimeError as error:
        raise UserError(f"the CPU cannot be divided any more: {error}") from error


def make_strategy(name="auto"):
    """Makes a `tf.distribute` strategy.

    Args:
        name: `"one_device"`; `"mirrored"`: all GPUs of this machine, or all its
            logical CPU devices where it has no GPU; `"auto"`: mirrored if there are
            several GPUs, else one device.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        devices = gpus or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    return tf.distribute.OneDeviceStrategy("GPU:0" if gpus else "CPU:0")
