"""The Train room: the settings of a run, its live loss chart, its console."""
