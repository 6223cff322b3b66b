"""The fault harness: tries to break what the store promises, and counts how often it does.

`hatch run faults` runs it; `packages/kymflow-zarr/docs/durability.md` says what it proves. Each
module is one way of breaking things:

- `sweeps`: killed at the n-th file-changing call, or that call fails;
- `disk_full`: a filesystem with no room left;
- `power`: power cuts, worked out from a log of all changes (`disk_model`), and real ones on
  loop-mounted filesystems and layers over them (`loop_disk`);
- `crowd`: many processes at once;
- `corruption`: damaged files;
- `hostile`: folders full of bad input;
- `mutation`: the store without one of its safeguards, which must make one of the above fail;
- `compare`: the same power cut on other stores.
"""
