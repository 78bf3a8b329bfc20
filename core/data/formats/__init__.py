"""Readers of each format, in front of one `Intake` that maps records to rows and sets bad ones aside. Knows no
storage."""
