"""How a row becomes text and token ids, and how a stream of text becomes reasoning and response.

Knows templates and their files, markers, spans, masks, and where encoded rows are kept. Knows nothing of models, data sets or screens; its libraries
(`tokenizers`, numpy, yaml, jinja2) are imported where they are first needed.
"""
