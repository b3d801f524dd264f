"""Tells CMake how to build for the TensorFlow at hand: a record of it, where its parts are, its definitions."""

import json
import sys

import tensorflow as tf

record = {"tensorflow": tf.__version__, "cxx11_abi": int(tf.sysconfig.CXX11_ABI_FLAG)}
minor = ".".join(tf.__version__.split(".")[:2])
directory, library = (flag[2:] for flag in tf.sysconfig.get_link_flags())
definitions = [flag[2:] for flag in tf.sysconfig.get_compile_flags() if flag.startswith("-D")]
parts = [minor, json.dumps(record), tf.sysconfig.get_include(), directory, f"-l{library}", *definitions]
sys.stdout.write(";".join(parts))
