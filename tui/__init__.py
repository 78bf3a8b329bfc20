"""The terminal app: `python -m tui`.

`app` holds the rooms and what is open in them; `palette`, `themes`, `typed_order` and `dialogs` are its parts. Each
room (`data`, `train`, `chat`, `prompts`) has a folder and knows no other room: they exchange `messages` through the
app. `common` is what two rooms share. `actions` is the table of all keys.

Screens show what `core` knows and pass on what the user does. They hold no logic of data, models or runs, and torch is
never imported.
"""
