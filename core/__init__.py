"""All data, model and GPU logic of Suiron. Knows nothing of Textual.

Imports run one way: cli, demo, lab, training | engine | quality, examples, runs, models | session, data | templates,
tokens | splitter, base. Only `models`, `training`, `engine`, `lab` and child processes load torch and its libraries;
nothing that the terminal imports reaches them.
"""

__version__ = "0.1.0"
