"""What models there are, whether one is whole and fits, and how it is loaded (Unsloth on CUDA, Transformers + PEFT
elsewhere).

`resolve`, `embedded` and `backend` import nothing heavy at their top; `loading` is for processes that hold a model.
"""
