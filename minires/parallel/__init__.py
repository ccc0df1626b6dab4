"""More than one process, more than one machine: sweeps with Dask, one training step with MPI."""

from .distributed_sgd import DistributedSGD
