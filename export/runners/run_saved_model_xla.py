"""Runs a SavedModel that XLA compiles, with tensorflow and tensorflow-text alone."""

import os
import sys

sys.path.append(os.path.dirname(os.path.abspath(__file__)))

import protocol
from run_saved_model import load

if __name__ == "__main__":
    protocol.answer(load)
