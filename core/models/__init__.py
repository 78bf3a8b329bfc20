"""Models: finds a model's folder by name, checks it against its config, its adapter and the free memory, and loads it.

Unsloth loads on CUDA, Transformers + PEFT elsewhere. Knows nothing of rows, runs or sockets. `resolve`,
`embedded_model`, `tokenizer_folder`, `weights`, `config_bounds`, `fingerprint`, `load_form` and `backend` import
nothing heavy at their top. `expected_tensors`, `adapter_check`, `checked_model` and `loading` are for processes that
load a model; `convert_embedded_model` is a child process and never imported.
"""
