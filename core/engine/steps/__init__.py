"""Decoding steps: one interface that advances all live rows by one token, and three ways to do it: the plain forward
pass, the same pass captured as a CUDA graph, and one fused kernel. Knows nothing of text, requests or sockets."""
