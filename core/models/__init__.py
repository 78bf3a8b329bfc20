"""Models: finds a model's folder by name, checks that it is complete and fits into memory, and loads it.

Unsloth loads on CUDA, Transformers + PEFT elsewhere. Knows nothing of rows, runs or sockets. `resolve`,
`embedded_model`, `tokenizer_folder`, `weights` and `backend` import nothing heavy at their top. `loading` is for
processes that load a model; `convert_embedded_model` is a child process and never imported.
"""
