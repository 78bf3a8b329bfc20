"""Asks servers of the OpenAI API that are not this home's engine. Light: no torch."""
