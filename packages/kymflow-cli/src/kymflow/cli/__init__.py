"""The ``kymflow`` command: what a person types, over `kymflow.core` and `kymflow_zarr`.

Data flows one way: `app` parses the command line and calls one function of `kymflow.cli.verbs`,
which takes paths and returns a value of `kymflow.cli.results`; `render` turns that value into text,
JSON Lines and an exit code, and `terminal` is the only module that writes to a stream.
"""
