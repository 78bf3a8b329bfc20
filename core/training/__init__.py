"""The process that trains: `python -m core.training RUN_FOLDER`.

Reads run.toml and requests/, and writes all other files in the run's folder. Must not know the terminal;
`core.examples` makes ids of rows.
"""
