"""The Train room: the settings of a run, its live loss chart, its console.

Knows no rows and no model: it starts runs, reads their folders and asks them to stop.
"""
