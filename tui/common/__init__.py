"""What two rooms share: the room and dialog classes, and widgets that more than one of them uses.

Knows no room.
"""
