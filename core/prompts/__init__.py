"""How a row becomes text and token ids, and how a stream of text becomes reasoning and response.

Knows templates, markers, spans and masks. Knows nothing of models, files or screens; its only library is `tokenizers`.
"""
