"""Whether a training fits into memory: from config.json and headers, and from what earlier runs took."""
