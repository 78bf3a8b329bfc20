"""The inference server that has models in memory, and the client that talks to it.

`protocol`, `client` and `launch` are light, for the terminal; `model_thread` and what it imports run in one thread of
the server's own process. Must not know screens.
"""
