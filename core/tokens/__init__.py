"""Text to token ids and back: tokenizer, spans, loss mask, truncation. Knows segments of text; knows neither rows,
templates nor models."""
