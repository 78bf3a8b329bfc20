"""Exports: a job of kind `export` writes what a run has tuned for other programs, asks the written thing held-out
questions, and says how often it answers as the run does.

`core.models.export` writes files; this room knows runs, rows and jobs. `export_jobs`, `export_spec` and `export_result`
import nothing heavy: a screen starts and follows exports with them.
"""
