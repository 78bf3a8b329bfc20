"""All data, model and GPU logic of Suiron. Knows nothing of Textual.

Imports between rooms go one way only; the import contracts in pyproject.toml list the layers. Heavy libraries (torch,
transformers, trl, peft, unsloth, datasets) are imported inside functions that run in separate processes: those of
`models`, `training`, `engine` and `lab`. No module that the terminal imports may reach them.
"""

__version__ = "0.1.0"
