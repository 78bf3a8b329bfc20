"""A stream of text sorted into reasoning and response. Pure: knows markers, neither tokens nor models."""
