"""Where training runs. The loop is the same for every strategy."""

import tensorflow as tf


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
