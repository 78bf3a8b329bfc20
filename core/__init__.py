"""All data, model and GPU logic of Suiron. Knows nothing of Textual.

Arrows inside run one way: errors, safe_text, files, settings <- data, prompts <- models, runs <- training, engine <-
lab <- demo <- cli. Heavy libraries (torch, transformers, trl, peft, unsloth, datasets) are imported inside functions of
`models`, `training`, `engine` and `lab` that run in processes of their own; nothing the terminal imports may reach
them.
"""

__version__ = "0.1.0"
