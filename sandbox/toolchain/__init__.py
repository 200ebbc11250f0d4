"""Pulumi's CLI and provider plugins for this machine: what is there, or what can be built.

`python -m sandbox.toolchain prepare` makes them ready, `python -m sandbox.toolchain env` prints the exports.
"""
