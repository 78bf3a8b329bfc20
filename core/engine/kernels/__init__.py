"""CUDA kernels of our own: sources, their compilation at run time, and what of them can be known without a GPU."""
