"""Text to token ids and back: tokenizer, spans of the sections, loss mask, truncation.

Knows a row's text as segments. Must not know templates, the splitter, models or a run's files.
"""
