"""What two rooms share: the room and dialog classes, and the widgets that more than one of them uses."""
