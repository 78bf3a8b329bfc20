"""Models: which folder a name means, whether it is whole and fits into memory, and how it is loaded (Unsloth on CUDA,
Transformers + PEFT elsewhere). Knows nothing of rows, runs or sockets.

`resolve`, `embedded_model`, `tokenizer_folder`, `weights` and `backend` import nothing heavy at their top. `loading` is
for processes that hold a model; `convert_embedded_model` is a child process and imported by nobody.
"""
