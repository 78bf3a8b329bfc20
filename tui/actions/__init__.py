"""All keys as data: the table of actions, the user's keymap, and what is made from them.

The table has a file for each scope (`app_keys`, `data_keys`, `prompts_keys`, `train_keys`, `chat_keys`,
`dialog_keys`), one entry for each action; `all_actions` joins them. `keymap` reads the user's keys.yaml. Screens,
dialogs and widgets take their bindings from here, and messages take the names of keys from `key_of`. Nothing here knows
a widget, and no other module makes a binding.
"""

from tui.actions.action import ANSWERS as ANSWERS
from tui.actions.action import MEANINGS as MEANINGS
from tui.actions.action import ROOMS as ROOMS
from tui.actions.action import SECTIONS as SECTIONS
from tui.actions.action import Action as Action
from tui.actions.action import Scope as Scope
from tui.actions.all_actions import ACTIONS as ACTIONS
from tui.actions.current_keys import key_bindings as key_bindings
from tui.actions.current_keys import key_hints as key_hints
from tui.actions.current_keys import key_of as key_of
from tui.actions.current_keys import key_words as key_words
from tui.actions.current_keys import keymap_in_force as keymap_in_force
from tui.actions.current_keys import keys_in_force as keys_in_force
from tui.actions.current_keys import room_name as room_name
from tui.actions.current_keys import use_keymap as use_keymap
from tui.actions.current_keys import user_keymap_exists as user_keymap_exists
